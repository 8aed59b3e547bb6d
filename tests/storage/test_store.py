"""store_gram: what is stored, what is gone on with, what is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pytest
from helpers.oracles.closed_forms import pair_entry
from helpers.stored import BLOCKS, SIDE, N
from helpers.tolerances import FEW, TABLE, eps

import fastgram as fg
from fastgram.storage import store
from fastgram.storage.manifest import Manifest, manifest_of
from fastgram.storage.store import partial_of
from fastgram.support.files.lock import only_writer


def finished(path):
    return manifest_of(path).finished


def names(folder):
    return sorted(file.name for file in folder.iterdir())


# --- what is stored ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_entries_are_those_of_closed_forms(X, path, name, dtype, small_blocks, read_back):
    fg.store_gram(path, X, name, dtype=dtype)
    stored = read_back(path)
    assert stored.dtype == np.dtype(dtype)
    exact = np.array([[float(pair_entry(name, "gradient", x, y)) for y in X] for x in X])
    assert np.allclose(stored, exact, rtol=0, atol=TABLE + 8 * eps(dtype))
    assert np.array_equal(stored, stored.T)


def test_bits_are_those_of_gram(path, kind, read_back, monkeypatch):
    """On the CPU, blocks being made of its tiles."""
    monkeypatch.setattr(store, "side_of", lambda n, ending: 384)
    X = fg.datasets.sphere(900, 5, seed=1)
    fg.store_gram(path, X, "elu", kind=kind)
    assert np.array_equal(read_back(path), fg.gram(X, network="elu", kind=kind))


@pytest.mark.parametrize("n", [1, 2, N])
def test_a_matrix_of_one_block(n, path, read_back, X):
    fg.store_gram(path, X[:n], "tanh", kind="nngp")
    assert np.array_equal(read_back(path), fg.gram(X[:n], network="tanh", kind="nngp"))


def test_finite_width(path, X, small_blocks, read_back):
    network = fg.Network("tanh", width=5, seed=3)
    fg.store_gram(path, X, network)
    exact = fg.gram(X, network=network)
    assert np.allclose(read_back(path), exact, rtol=0, atol=FEW * eps("float64") * exact.max())


def test_nothing_else_is_left(path, X, small_blocks):
    fg.store_gram(str(path), X)
    assert names(path.parent) == [path.name, f"{path.name}.json"]


def test_what_the_manifest_says(path, X, small_blocks):
    network = fg.Network("leaky_relu(negative_slope=0.2)", depth=2, bias_variance=0.5)
    fg.store_gram(path, X, network, kind="ntk", dtype="float32")
    found = json.loads(path.with_name(f"{path.name}.json").read_text())
    assert (found["n"], found["kind"], found["dtype"]) == (N, "ntk", "float32")
    assert (found["blocks"], found["done"], found["side"]) == (BLOCKS, BLOCKS, SIDE)
    assert found["version"] == fg.__version__
    assert found["network"]["activation"] == "leaky_relu(negative_slope=0.2)"
    assert (found["network"]["depth"], found["network"]["bias_variance"]) == (2, 0.5)
    assert found["data"].startswith("sha256:")


def test_progress(path, X, small_blocks, capsys):
    fg.store_gram(path, X, progress=True)
    assert path.name in capsys.readouterr().err


# --- going on ------------------------------------------------------------------------------------


def test_a_finished_one_is_recognised(path, X, small_blocks, written, bytes_of):
    fg.store_gram(path, X)
    before = bytes_of(path)
    assert len(written) == BLOCKS
    fg.store_gram(path, X)
    assert len(written) == BLOCKS
    assert bytes_of(path) == before


@pytest.mark.parametrize("count", [0, 1, 6, BLOCKS - 1])
def test_a_build_that_failed_goes_on(
    count, path, X, small_blocks, stop_after, written, bytes_of, tmp_path
):
    whole = tmp_path / "whole" / path.name
    whole.parent.mkdir()
    fg.store_gram(whole, X)
    written.clear()
    stop_after(count, RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        fg.store_gram(path, X)
    assert manifest_of(path).done == count
    assert not path.exists()
    fg.store_gram(path, X)
    assert sorted(written) == sorted(set(written))  # and none twice
    assert len(written) == BLOCKS
    assert bytes_of(path) == bytes_of(whole)


def test_killed_before_the_last_name(path, X, small_blocks, written, bytes_of, monkeypatch):
    """All blocks are there, and the file has not got its name."""
    monkeypatch.setattr(store.os, "replace", os.replace)
    replace = os.replace

    def killed(source, target):
        if target == path:
            raise RuntimeError("killed")
        replace(source, target)

    monkeypatch.setattr(store.os, "replace", killed)
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    monkeypatch.setattr(store.os, "replace", replace)
    assert finished(path)
    assert not path.exists()
    count = len(written)
    fg.store_gram(path, X)
    assert len(written) == count
    assert path.exists()


def test_killed_before_the_manifest(path, X, small_blocks):
    partial = partial_of(path)
    if path.suffix == ".zarr":
        partial.mkdir()
    else:
        partial.touch()
    fg.store_gram(path, X)
    assert finished(path)


def test_a_deleted_matrix_is_built_anew(path, X, small_blocks, read_back):
    """Whatever the manifest that was left behind says."""
    fg.store_gram(path, X)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    fg.store_gram(path, X, "tanh")
    assert np.allclose(read_back(path), fg.gram(X, network="tanh"), atol=TABLE)


def test_an_interrupt_says_what_is_stored(path, X, small_blocks, stop_after):
    stop_after(4, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt, match=r"4 of 10 blocks are stored, and the same call"):
        fg.store_gram(path, X)
    fg.store_gram(path, X)


# --- what is refused -----------------------------------------------------------------------------


OTHERS = [
    ({"network": "tanh"}, "another network"),
    ({"network": fg.Network("relu", depth=2)}, "another network"),
    ({"network": fg.Network("relu", width=9)}, "another network"),
    ({"kind": "ntk"}, "kind gradient, not ntk"),
    ({"dtype": "float32"}, "dtype float64, not float32"),
]


@pytest.mark.parametrize("done", [3, BLOCKS])
@pytest.mark.parametrize(("options", "words"), OTHERS)
def test_another_matrix(options, words, done, path, X, small_blocks, stop_after, refuses, bytes_of):
    stop_after(done, RuntimeError("killed"))
    try:
        fg.store_gram(path, X)
    except RuntimeError:
        assert done < BLOCKS
    there = path if path.exists() else partial_of(path)
    before = bytes_of(there)
    with refuses(ValueError, str(path), f"is a matrix of {words}"):
        fg.store_gram(path, X, **options)
    assert bytes_of(there) == before


def test_other_rows(path, X, small_blocks, stop_after, refuses):
    stop_after(3, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    changed = X.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], 2.0)
    with refuses(ValueError, "is a matrix of other rows"):
        fg.store_gram(path, changed)
    with refuses(ValueError, f"is a matrix of {N} rows, not {N - 1}"):
        fg.store_gram(path, X[:-1])
    with refuses(ValueError, "is a matrix of other rows"):
        fg.store_gram(path, X.astype(np.float32))


def test_the_same_bytes_as_other_numbers(tmp_path, refuses):
    path, X = tmp_path / "K.npy", np.ones((5, 2))
    fg.store_gram(path, X, dtype="float64")
    with refuses(ValueError, "is a matrix of other rows"):
        fg.store_gram(path, X.view(np.float32), dtype="float64")


def test_functions_of_the_users_are_told_by_their_values(path, X, small_blocks, refuses):
    def cube(power):
        return fg.Activation("mine", lambda z: z**power, lambda z: power * z ** (power - 1))

    fg.store_gram(path, X, cube(3))
    fg.store_gram(path, X, cube(3))
    with refuses(ValueError, "another network"):
        fg.store_gram(path, X, cube(5))


@pytest.mark.parametrize(
    ("field", "words"), [("version", "by fastgram 0.0"), ("device", "on device 0.0")]
)
def test_made_in_another_way(field, words, path, X, small_blocks, stop_after, refuses):
    """Its bits might be others, which is nothing to a matrix that is whole."""
    stop_after(3, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    found = manifest_of(path)
    Manifest(**{**vars(found), field: "0.0"}).write(path)
    with refuses(ValueError, f"was begun {words}"):
        fg.store_gram(path, X)
    found.write(path)
    fg.store_gram(path, X)
    Manifest(**{**vars(manifest_of(path)), field: "0.0"}).write(path)
    fg.store_gram(path, X)


def test_somebody_elses_file(path, X, refuses):
    if path.suffix == ".zarr":
        path.mkdir()
    else:
        path.write_bytes(b"precious")
    with refuses(ValueError, str(path), "was not stored by fastgram"):
        fg.store_gram(path, X)
    if path.is_file():
        assert path.read_bytes() == b"precious"
        partial = partial_of(path)
        os.replace(path, partial)
        with refuses(ValueError, str(partial), "without a manifest"):
            fg.store_gram(path, X)
        assert partial.read_bytes() == b"precious"


def test_a_file_that_is_not_what_its_manifest_says(path, X, small_blocks, stop_after, refuses):
    stop_after(3, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    partial = partial_of(path)
    if partial.is_dir():
        (partial / "zarr.json").write_text("{}")
    else:
        os.truncate(partial, partial.stat().st_size // 2)
    with refuses(ValueError, str(partial), "is not what its manifest says"):
        fg.store_gram(path, X)


@pytest.mark.parametrize("text", ["", "no JSON", "{}", "[1]"])
def test_a_manifest_of_somebody_elses(text, path, X, small_blocks, refuses):
    fg.store_gram(path, X)
    manifest = path.with_name(f"{path.name}.json")
    manifest.write_text(text)
    for call in (lambda: fg.store_gram(path, X), lambda: fg.open_gram(path)):
        with refuses(ValueError, str(manifest), "is no manifest"):
            call()


@pytest.mark.parametrize(("field", "value"), [("done", 99), ("side", 0), ("n", -1), ("n", "4")])
def test_a_manifest_of_wrong_numbers(field, value, path, X, small_blocks, refuses):
    fg.store_gram(path, X)
    Manifest(**{**vars(manifest_of(path)), field: value}).write(path)
    with refuses(ValueError, "is no manifest of a stored matrix: its numbers do not fit"):
        fg.open_gram(path)


def test_endings(tmp_path, X, refuses):
    for name in ("K", "K.npz", "K.npy.gz", "K.NPY"):
        with refuses(ValueError, name, "the ending must be .npy, .h5 or .zarr"):
            fg.store_gram(tmp_path / name, X)
    with refuses(TypeError, "path must be a path"):
        fg.store_gram(3, X)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([[1.0, np.nan]],), {}, ValueError, "X is not finite"),
        (([[1.0, 2.0]], "rely"), {}, ValueError, "did you mean 'relu'"),
        (([[1.0, 2.0]],), {"kind": "nntk"}, ValueError, "kind"),
        (([[1.0, 2.0]],), {"device": "tpu"}, ValueError, "device"),
        (([[1.0, 2.0]],), {"dtype": "float16"}, ValueError, "dtype"),
        (([[1.0, 2.0]],), {"progress": 1}, TypeError, "progress"),
        (([[1e200, 2.0]],), {}, ValueError, "overflows"),
    ],
)
def test_bad_arguments_leave_nothing_behind(arguments, options, error, words, path, refuses):
    with refuses(error, words):
        fg.store_gram(path, *arguments, **options)
    assert names(path.parent) == []


def test_a_disk_with_too_little_free(path, X, small_blocks, refuses, monkeypatch):
    def usage(folder):
        return shutil._ntuple_diskusage(10, 9, 1)

    monkeypatch.setattr(store.shutil, "disk_usage", usage)
    with refuses(ValueError, str(path), "bytes of disk are needed and 1 are free"):
        fg.store_gram(path, X)
    assert names(path.parent) == []


def test_what_is_stored_needs_no_disk_again(tmp_path, X, small_blocks, stop_after, monkeypatch):
    path = tmp_path / "K.npy"
    stop_after(BLOCKS - 1, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    left = shutil._ntuple_diskusage(10**9, 10**9, SIDE * SIDE * 8)  # of the last block
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: left)
    fg.store_gram(path, X)


def test_a_disk_that_is_full(path, X, small_blocks, stop_after, refuses, read_back):
    stop_after(5, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with refuses(OSError, "No space left on device; 5 of 10 blocks are stored", str(path)):
        fg.store_gram(path, X)
    fg.store_gram(path, X)
    assert np.allclose(read_back(path), fg.gram(X), atol=TABLE)


def test_finished_by_another_process_in_between(
    path, X, small_blocks, refuses, monkeypatch, read_back
):
    """Between the look at what is there and the lock: it is neither built again nor overwritten."""
    hold = store.only_writer

    def late(*arguments):
        monkeypatch.setattr(store, "only_writer", hold)
        fg.store_gram(path, X)
        monkeypatch.setattr(store, "write_block", None)
        return hold(*arguments)

    monkeypatch.setattr(store, "only_writer", late)
    with refuses(ValueError, "is a matrix of another network"):
        fg.store_gram(path, X, "tanh")
    fg.store_gram(path, X)
    assert names(path.parent) == [path.name, f"{path.name}.json"]
    assert np.allclose(read_back(path), fg.gram(X), atol=TABLE)


def test_blocks_of_another_size(path, X, small_blocks, stop_after, refuses, monkeypatch):
    stop_after(3, RuntimeError("killed"))
    with pytest.raises(RuntimeError):
        fg.store_gram(path, X)
    monkeypatch.setattr(store, "side_of", lambda n, ending: SIDE + 1)
    with refuses(ValueError, f"was begun in blocks of {SIDE} rows, not {SIDE + 1}"):
        fg.store_gram(path, X)
    monkeypatch.setattr(store, "side_of", lambda n, ending: SIDE)
    fg.store_gram(path, X)
    monkeypatch.setattr(store, "side_of", lambda n, ending: SIDE + 1)
    fg.store_gram(path, X)


def test_a_second_process(path, X, small_blocks, refuses):
    with (
        only_writer(partial_of(path), path.suffix == ".zarr"),
        refuses(ValueError, str(partial_of(path)), "another process is writing it"),
    ):
        fg.store_gram(path, X)
    fg.store_gram(path, X)


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="no folder that root cannot write to")
def test_a_folder_that_cannot_be_written_to(X):
    for ending in (".npy", ".zarr"):
        with pytest.raises(OSError, match=r"/sys/K\.\w+\.partial"):
            fg.store_gram(f"/sys/K{ending}", X)


def test_a_missing_folder(tmp_path, X):
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        fg.store_gram(tmp_path / "nowhere" / "K.npy", X)
