"""Faults in what outlives a process: files that are whole, locks, what a checkpoint is told by."""

from __future__ import annotations

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

_CHECKPOINT = "linalg/test_checkpoint_folder.py"
_GOES_ON = "eigenvalues/test_checkpoints.py -k"
_STORE = "storage/test_store.py -k"


FAULTS = [
    *faults_in(
        "support/files/durable",
        "support/test_durable.py",
        ('path.with_name(path.name + ".partial")', "path"),
        ("os.fsync(file.fileno())", "pass"),
        ("    sync_folder(path.parent)\n", ""),
        ("partial.unlink(missing_ok=True)", "pass"),
    ),
    *faults_in(
        "support/files/lock",
        f"{_STORE} 'process or leave'",
        ("fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
        ("path.rmdir() if folder else path.unlink()", "pass"),
    ),
    *faults_in(
        "network/facts",
        f"{_STORE} 'another or other or values'",
        ("None if family_of(network.activation) else _values(network.activation)", "None"),
    ),
    *faults_in(
        "support/arrays",
        f"{_STORE} 'another or other or values'",
        ('f"{rows.shape} {rows.dtype.name}".encode()', 'b""'),
    ),
    *faults_in(
        "linalg/checkpoint_folder",
        _CHECKPOINT,
        ("hashlib.sha256(before.encode())\n    file", "hashlib.sha256()\n    file"),
        ("if found.encode() == file.read():", "if True:"),
        ("if path != self._pass(number):", "if False:"),
        ("            _check_same(self.path, found, asked)\n", "            pass\n"),
        ('{"version": fastgram.__version__, **facts}', '{"version": "0", **facts}'),
        ("if made and is_empty(folder):", "if False:"),
        ('held.enter_context(only_writer(folder / "lock", folder=False))', "pass"),
        ("partial.touch()", "pass"),
    ),
    *faults_in(
        "linalg/checkpoint",
        f"{_GOES_ON} 'rounds or start or somebody'",
        ('self._matrix.recall(record["learned"])', "pass"),
        ('not run.recognises(first["diagonal"])', "False"),
        ('return folder.read(0)["first"][:, block:]', "return find()"),
    ),
    *faults_in(
        "eigenvalues/gram_problem",
        f"{_GOES_ON} 'rounds or earlier or another_matrix'",
        ("self.entry_error = max(self.entry_error, error)", "pass"),
        ("max(before[0], row_sum), max", "before[0], max"),
        (
            "return max(before, self._matrix.summands) if self._matrix.has_row_sums",
            "return before if 1",
        ),
        (
            "return max(before, float(np.max(self._matrix",
            "return max(0.0, float(np.max(self._matrix",
        ),
        ('"network": network_facts(network), ', ""),
        ('"kind": kind, ', ""),
        (', "dtype": dtype}', "}"),
        ('    return {**facts, "ridge": ridge}', "    return facts"),
    ),
    *faults_in(
        "eigenvalues/methods/findings",
        f"{_GOES_ON} 'limit or factorisation'",
        (" and not request.until.out_of_time()", ""),
        ("folder.keep(kind, key, found)", "pass"),
    ),
    *faults_in(
        "eigenvalues/methods/inverse",
        f"{_GOES_ON} factorisation",
        ("key = (shift, request.rtol, request.chance, float(request.k))", "key = (shift,)"),
    ),
]
