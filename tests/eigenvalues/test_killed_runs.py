"""Runs that are killed, interrupted, run out of disk, or meet each other: in other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.nursery import ROOT, Child, wait_for

import fastgram as fg

pytestmark = pytest.mark.slow

N, PASSES = 700, 60

# A run: what is asked, of a folder or none, with a log of the passes that were multiplied, seconds
# to wait before each of them is stored, and a file for the numbers that it comes to.
SCRIPT = f"""
import time
import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.linalg.checkpoint_folder import CheckpointFolder

X = fg.datasets.sphere({N}, 5, seed=0)
OPTIONS = {{"method": "lanczos", "block": 4, "rtol": 1e-14, "max_passes": {PASSES}}}
fg.extreme_eigenvalues(fg.GramOperator(X, "elu"), method="lanczos", max_passes=2)  # compiled
append = CheckpointFolder.append

def lanczos(folder):
    answer = fg.extreme_eigenvalues(fg.GramOperator(X, "elu"), **OPTIONS, checkpoint=folder)
    pairs = answer.smallest_pairs, answer.largest_pairs
    return answer.smallest, answer.largest, answer.noise_floor, answer.passes, str(answer), pairs

def restarted(folder):
    extreme.BASIS_BYTES = 8 * {N} * 100
    return lanczos(folder)

def density(folder):
    answer = fg.spectral_density(
        fg.GramOperator(X, "elu"), probes=4, passes={PASSES}, checkpoint=folder
    )
    return answer.lower.tobytes(), answer.upper.tobytes(), answer.trace, answer.log_determinant

def work(question, folder, log, pause, out):
    def noted(self, arrays):
        time.sleep(float(pause))
        append(self, arrays)
        with open(log, "a") as file:
            print("pass", file=file)

    CheckpointFolder.append = noted
    found = {{"lanczos": lanczos, "restarted": restarted, "density": density}}[question](
        None if folder == "none" else folder
    )
    with open(out, "w") as file:
        file.write(repr(found))
"""


def done(folder):
    return len(list(folder.glob("pass-*.npz")))


def words(tmp_path, question, pause=0.0, out="out"):
    return question, tmp_path / "run", tmp_path / "log", pause, tmp_path / out


def numbers_of(child, tmp_path, question):
    """Return the numbers of a run without a checkpoint."""
    out = tmp_path / "whole"
    assert Child(child, question, "none", tmp_path / "log", 0, out).status() == 0
    return out.read_text()


@pytest.mark.parametrize(("question", "kills"), [("lanczos", 8), ("restarted", 8), ("density", 8)])
def test_kills_at_random_moments(question, kills, tmp_path, nursery):
    """No pass that was stored is lost, and the last bit is as without them."""
    folder, log = tmp_path / "run", tmp_path / "log"
    log.touch()
    begin, told = nursery
    child, rng, reached = begin(0), np.random.default_rng(0), 0
    step = PASSES // (kills + 2)
    for kill in range(kills):
        run = Child(child, *words(tmp_path, question, 0.002))
        if kill % 4:  # in the midst of passes; the others while it begins
            wait_for(lambda before=reached: done(folder) >= before + step, run)
        time.sleep(rng.uniform(0.0, 0.02))
        run.send(signal.SIGKILL)
        assert run.status() == -signal.SIGKILL, told()
        assert done(folder) >= reached
        reached = done(folder)
    assert PASSES // 2 <= reached < PASSES, "every kill is to fall into the run"
    assert Child(child, *words(tmp_path, question)).status() == 0, told()
    assert (tmp_path / "out").read_text() == numbers_of(child, tmp_path, question)
    assert len(log.read_text().splitlines()) <= done(folder) + kills  # that were in flight


def test_two_processes(tmp_path, nursery):
    """The second is refused; when the first is killed it holds nothing any more."""
    folder = tmp_path / "run"
    begin, told = nursery
    first_child, second_child = begin(0), begin(1)
    first = Child(first_child, *words(tmp_path, "lanczos", 0.1))
    wait_for(lambda: done(folder) > 1, first)
    assert Child(second_child, *words(tmp_path, "density")).status() == 1
    assert told() == f"ValueError checkpoint {folder}: another process is writing it\n"
    assert not first.is_over()
    first.send(signal.SIGKILL)
    first.status()
    assert Child(second_child, *words(tmp_path, "lanczos")).status() == 0, told()
    assert (tmp_path / "out").read_text() == numbers_of(first_child, tmp_path, "lanczos")


@pytest.mark.parametrize("question", ["lanczos", "density"])
def test_an_interrupt(question, tmp_path, nursery):
    folder = tmp_path / "run"
    begin, told = nursery
    child = begin(0)
    run = Child(child, *words(tmp_path, question, 0.02))
    wait_for(lambda: done(folder) > 2, run)
    run.send(signal.SIGINT)
    assert run.status() == 1
    assert told().startswith("KeyboardInterrupt interrupted after ")
    assert ", λ_max " in told()
    assert told().endswith(f"; the same call goes on from checkpoint {folder}\n")
    assert Child(child, *words(tmp_path, question)).status() == 0, told()
    assert (tmp_path / "out").read_text() == numbers_of(child, tmp_path, question)


def test_a_disk_that_fills_up(tmp_path):
    """A limit on the size of files, that comes after a few passes."""
    folder = tmp_path / "run"
    script = (
        "import resource, numpy as np, fastgram as fg\n"
        "passes = []\n"
        "def fill(*brackets):\n"
        "    passes.append(1)\n"
        "    if len(passes) == 3:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "fg.extreme_eigenvalues(np.diag(np.linspace(1.0, 2.0, 300)), method='lanczos', block=4,\n"
        f"    rtol=1e-9, checkpoint={str(folder)!r}, callback=fill)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert told.splitlines()[-1] == (
        "OSError: [Errno 27] File too large; 3 passes are stored, and the same call goes on from"
        f" there: '{folder}'"
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"pass-{number:05d}.npz" for number in range(3)),
        "run.json",
    ]
    options = {"method": "lanczos", "block": 4, "rtol": 1e-9}
    matrix = np.diag(np.linspace(1.0, 2.0, 300))
    answer = fg.extreme_eigenvalues(matrix, **options, checkpoint=folder)
    assert answer == fg.extreme_eigenvalues(matrix, **options)
