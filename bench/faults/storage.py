"""Faults in what is promised of matrices on disk: bits, brackets, and who may write them."""

from __future__ import annotations

from functools import partial

from bench.faults.fault import faults_in

__all__ = ["FAULTS"]

_in = partial(faults_in, room="storage")


FAULTS = [
    *_in(
        "problem",
        "test_stored_gram.py -k 'round or far or negative or upper'",
        ("self.entry_error = self.n * DENORMAL", "self.entry_error = 0.0"),
        ("self.entry_error = self.n * DENORMAL", "self.entry_error = DENORMAL"),
        ("return self._matrix.summands", "return 1"),
        ("exponent_of(float(np.max(np.abs(diagonal))))", "0"),
        ("float(np.max(_finite(sums)))", "float(np.mean(_finite(sums)))"),
    ),
    *_in(
        "products",
        "test_stored_gram.py -k 'round or padded or upper or strips or threads'",
        ("out[parts[j]] += part.of_columns", "pass"),
        ("sums[parts[j]] += part.column_sums", "pass"),
        ("self.column_sums += sizes.sum(axis=0)", "pass"),
        ("self.row_sums[strip.stop :] += after.sum(axis=0)", "pass"),
        ("self.of_rows[strip.stop :] += after.T @ self._right[strip]", "pass"),
        ("square = np.triu(values[:, strip])", "return values[:, strip], values[:, strip.stop :]"),
        ("CPU.mirror(values)", "pass"),
        ("with busy:", "if True:"),
        ("return out[:, :columns], sums", "return out, sums"),
    ),
    *_in(
        "store",
        "test_store.py",
        ("found.check_same_way(asked, target)", "pass"),
        ("if _is_finished(target, asked):  # by", "if False:  # by"),
        ("    if needed > free:", "    if False:"),
        ("done=self._manifest.done + 1", "done=self._manifest.done + 2"),
        ("buffers[turn % 2]", "buffers[0]"),
    ),
    *_in(
        "formats/block_io",
        "test_store.py",
        ("halves.append((layout.place(j, i), block.T))", "pass"),
    ),
    *_in(
        "formats/hdf5_file",
        "test_interruptions.py -k 'kills and h5'",
        ("how.set_obj_track_times(False)", "pass"),
    ),
    *_in(
        "manifest",
        "test_store.py -k 'another or other or values'",
        ('    "data": "other rows",\n', ""),
        ('    "network": "another network",\n', ""),
        ('    "kind": "kind {}, not {}",\n', ""),
    ),
]
