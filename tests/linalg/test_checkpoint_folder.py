"""The folder of a checkpoint: damage is refused in a line, and moves no bracket."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastgram as fg
from fastgram.linalg import checkpoint_folder
from fastgram.linalg.block_lanczos import BlockLanczos
from fastgram.linalg.checkpoint_folder import opened

MATRIX = np.diag(np.linspace(1.0, 2.0, 60))
ASKED = {"method": "lanczos", "rtol": 1e-9, "block": 4}
PASSES = 6


def run(folder, matrix=MATRIX, **changes):
    return fg.extreme_eigenvalues(matrix, **{**ASKED, **changes}, checkpoint=folder)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "run"
    run(folder, max_passes=PASSES)
    return folder


@pytest.fixture
def folder(stored, tmp_path):
    """A folder of six passes, to be spoiled."""
    return Path(shutil.copytree(stored, tmp_path / "run"))


def of(folder, number):
    return folder / f"pass-{number:05d}.npz"


def test_what_is_there(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        *(of(folder, number).name for number in range(PASSES)),
        "run.json",
    ]
    facts = {"version", "n", "block", "seed", "matrix"}
    assert json.loads((folder / "run.json").read_text()).keys() == facts
    with np.load(of(folder, 2)) as arrays:  # others read it too
        assert arrays["block"].shape == (60, 4)


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 3, PASSES - 1])
def test_a_flipped_bit_anywhere(folder, number, refuses):
    path = of(folder, number)
    whole = path.read_bytes()
    places = np.random.default_rng(number).integers(0, len(whole), 20)
    for place in [*places, 0, len(whole) - 1]:
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << int(place) % 8
        path.write_bytes(spoilt)
        with refuses(ValueError, str(path), "is damaged, cut short or not of this run"):
            run(folder)
    path.write_bytes(whole)
    run(folder)


@pytest.mark.parametrize("left", [0, 1, 64, 65, 1000, -1])
def test_a_truncated_file(folder, left, refuses):
    path = of(folder, 4)
    path.write_bytes(path.read_bytes()[:left])
    with refuses(ValueError, str(path), "is damaged"):
        run(folder)


def test_a_longer_file(folder, refuses):
    with of(folder, 4).open("ab") as file:
        file.write(b"0")
    with refuses(ValueError, str(of(folder, 4)), "is damaged"):
        run(folder)


def test_swapped_passes(folder, refuses, tmp_path):
    os.rename(of(folder, 2), tmp_path / "other")
    os.rename(of(folder, 3), of(folder, 2))
    os.rename(tmp_path / "other", of(folder, 3))
    with refuses(ValueError, str(of(folder, 2)), "not of this run"):
        run(folder)


def test_a_pass_of_another_run_on_the_same_matrix(folder, refuses, tmp_path):
    run(tmp_path / "other", seed=1, max_passes=3)
    shutil.copy(of(tmp_path / "other", 2), of(folder, 2))
    with refuses(ValueError, str(of(folder, 2)), "not of this run"):
        run(folder)


def test_a_missing_pass_and_what_is_said_to_do(folder, refuses):
    whole = run(folder)
    of(folder, 2).unlink()
    with refuses(ValueError, f"checkpoint {folder}: pass-00002.npz is missing", "delete those"):
        run(folder)
    for path in folder.glob("pass-*"):
        if path > of(folder, 2):
            path.unlink()
    assert run(folder) == whole


def test_a_pass_that_changes_while_the_run_goes_on(folder, refuses, monkeypatch):
    read = checkpoint_folder.CheckpointFolder.read

    def late(self, number):
        if number == 3:
            shutil.copy(of(folder, 2), of(folder, 3))
        return read(self, number)

    monkeypatch.setattr(checkpoint_folder.CheckpointFolder, "read", late)
    with refuses(ValueError, str(of(folder, 3))):
        run(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"x"', "\udcff"])
def test_a_damaged_identity(folder, text, refuses):
    (folder / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with refuses(ValueError, f"checkpoint {folder}: run.json is damaged"):
        run(folder)


def test_an_identity_that_is_gone(folder, refuses):
    (folder / "run.json").unlink()
    with refuses(ValueError, f"checkpoint {folder} has passes and no run.json"):
        run(folder)


@pytest.mark.parametrize(
    ("name", "told"),
    [("version", "by fastgram None"), ("matrix", "of another kind"), ("seed", "of another kind")],
)
def test_an_identity_that_lacks_a_fact(folder, name, told, refuses):
    found = json.loads((folder / "run.json").read_text())
    del found[name]
    (folder / "run.json").write_text(json.dumps(found))
    with refuses(ValueError, f"checkpoint {folder} is of a run {told}"):
        run(folder)


# --- another run ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"matrix": MATRIX + 1e-15 * np.eye(60)}, "on another matrix (of other entries)"),
        ({"matrix": 2.0**400 * MATRIX}, "on another matrix (of other entries and scale)"),
        ({"matrix": MATRIX[:50, :50]}, "on another matrix (of other entries)"),
        ({"block": 3}, "with block = 4, not 3"),
        ({"seed": 3}, "with seed = 0, not 3"),
    ],
)
def test_another_run(folder, changes, told, refuses):
    with refuses(ValueError, f"checkpoint {folder} is of a run {told}: give another folder"):
        run(folder, **changes)


def test_another_version(folder, monkeypatch, refuses):
    monkeypatch.setattr(fg, "__version__", "7.1")
    with refuses(ValueError, f"checkpoint {folder} is of a run by fastgram 0.1.0, not 7.1"):
        run(folder)


def test_nothing_is_multiplied_before_it_is_refused(folder, monkeypatch, refuses):
    of(folder, 5).write_bytes(b"")
    monkeypatch.setattr(BlockLanczos, "advance", None)
    with refuses(ValueError, "is damaged"):
        run(folder)


# --- the folder ----------------------------------------------------------------------------------


def test_an_old_partial_file_is_written_over(folder):
    (folder / f"pass-{PASSES:05d}.npz.partial").write_bytes(b"killed here")
    whole = fg.extreme_eigenvalues(MATRIX, **ASKED)
    assert run(folder) == whole
    assert not list(folder.glob("*.partial"))


def test_a_file_in_its_place(tmp_path, refuses):
    path = tmp_path / "file"
    path.touch()
    with refuses(ValueError, f"checkpoint {path} is a file: give a folder"):
        run(path)
    with pytest.raises(OSError, match=str(path)):
        run(path / "below")


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="no folder that root cannot write to")
def test_a_folder_that_cannot_be_made():
    with pytest.raises(OSError, match="/sys/run"):
        run("/sys/run")


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="no folder that root cannot write to")
def test_a_folder_that_cannot_be_written_to():
    with pytest.raises(OSError, match="/sys/kernel/lock"):
        run("/sys/kernel")


def test_that_nothing_can_be_written_is_told_before_a_pass(folder, monkeypatch):
    """As of a folder that has become read-only, which root would not notice."""
    (folder / "lock").touch()

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(BlockLanczos, "advance", None)
    monkeypatch.setattr(checkpoint_folder.Path, "touch", refused)
    assert run(folder, max_passes=PASSES).passes == PASSES  # which are there
    with pytest.raises(PermissionError, match="pass-00006"):
        run(folder)


def test_one_at_a_time(folder, refuses):
    with (
        opened(folder),
        refuses(ValueError, f"checkpoint {folder}: another process is writing it"),
    ):
        run(folder)
    run(folder)


def test_an_empty_folder_is_not_left_behind(tmp_path):
    answer = fg.extreme_eigenvalues(MATRIX, checkpoint=tmp_path / "run")
    assert answer.method == "dense"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [3, b"run", ["run"]])
def test_no_path(path):
    with pytest.raises(TypeError, match="checkpoint must be a path"):
        run(path)
    with pytest.raises(TypeError, match="checkpoint must be a path"):
        fg.spectral_density(MATRIX, checkpoint=path)


def test_an_empty_name(refuses):
    with refuses(ValueError, "checkpoint must be a folder, not ''"):
        run("")
