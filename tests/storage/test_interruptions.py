"""Builds that are killed, run out of disk, or meet each other: in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.nursery import ROOT, Child, wait_for
from helpers.stored import ENDINGS

import fastgram as fg
from fastgram.storage import store
from fastgram.storage.manifest import manifest_of
from fastgram.storage.store import partial_of

pytestmark = pytest.mark.slow

SIDE, N = 64, 900
BLOCKS = 120
KILLS = 8

# A build: of a path, with a log of the blocks written, and seconds to wait before each of them.
SCRIPT = f"""
import time
import fastgram as fg
from fastgram.storage import store

store.side_of = lambda n, ending: {SIDE}
X = fg.datasets.sphere({N}, 6, seed=0)
fg.gram(X, network="elu")  # compiled, and its tables made
write = store.write_block

def work(path, log, pause):
    def noted(layout, i, j, block):
        time.sleep(float(pause))
        write(layout, i, j, block)
        with open(log, "a") as file:
            print(i, j, file=file)

    store.write_block = noted
    fg.store_gram(path, X, "elu")
"""


def done(path):
    found = manifest_of(path)
    return 0 if found is None else found.done


@pytest.fixture
def whole(tmp_path, monkeypatch, bytes_of):
    """The bytes of a build that nothing interrupts."""

    def build(ending):
        monkeypatch.setattr(store, "side_of", lambda n, ending: SIDE)
        path = tmp_path / f"whole{ending}"
        fg.store_gram(path, fg.datasets.sphere(N, 6, seed=0), "elu")
        return bytes_of(path)

    return build


@pytest.mark.parametrize("ending", ENDINGS)
def test_kills_at_random_moments(ending, tmp_path, whole, bytes_of, nursery):
    """Nothing that a manifest has told of is lost, and the last bit is as without them."""
    if ending == ".h5":
        pytest.importorskip("h5py")
    path, log = tmp_path / f"K{ending}", tmp_path / "log"
    log.touch()
    begin, told = nursery
    child, rng, reached = begin(0), np.random.default_rng(0), 0
    for kill in range(KILLS):
        build = Child(child, path, log, 0.001)
        if kill % 4:  # in the midst of blocks; the others while it begins
            wait_for(lambda before=reached: done(path) > before, build)
        time.sleep(rng.uniform(0.0, 0.02))
        build.send(signal.SIGKILL)
        assert build.status() == -signal.SIGKILL, told()
        assert done(path) >= reached
        reached = done(path)
        assert not path.exists()
    assert reached < BLOCKS, "every kill is to fall into the build"
    assert Child(child, path, log, 0).status() == 0, told()
    assert bytes_of(path) == whole(ending)
    assert len(log.read_text().splitlines()) <= BLOCKS + KILLS  # that were in flight


def test_two_processes(tmp_path, whole, bytes_of, nursery):
    """The second is refused; when the first is killed it holds nothing any more."""
    path, log = tmp_path / "K.npy", tmp_path / "log"
    begin, told = nursery
    first_child, second_child = begin(0), begin(1)
    first = Child(first_child, path, log, 0.1)
    wait_for(lambda: done(path) > 1, first)
    assert Child(second_child, path, log, 0).status() == 1
    assert told() == f"ValueError {partial_of(path)}: another process is writing it\n"
    assert not first.is_over()
    first.send(signal.SIGKILL)
    first.status()
    assert Child(second_child, path, log, 0).status() == 0, told()
    assert bytes_of(path) == whole(".npy")


def test_an_interrupt(tmp_path, whole, bytes_of, nursery):
    path, log = tmp_path / "K.npy", tmp_path / "log"
    begin, told = nursery
    child = begin(0)
    build = Child(child, path, log, 0.02)
    wait_for(lambda: done(path) > 1, build)
    build.send(signal.SIGINT)
    assert build.status() == 1
    assert told().startswith(f"KeyboardInterrupt {path}: ")
    assert told().endswith("blocks are stored, and the same call goes on from there\n")
    assert Child(child, path, log, 0).status() == 0
    assert bytes_of(path) == whole(".npy")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB; only root can have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no file system of a given size can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_fills_up(ending, small_disk, whole, bytes_of, refuses, monkeypatch):
    """It had the space when the build began: another file takes it on the way."""
    if ending == ".h5":
        pytest.importorskip("h5py")
    expected = whole(ending)
    path, X = small_disk / f"K{ending}", fg.datasets.sphere(N, 6, seed=0)
    with refuses(ValueError, "bytes of disk are needed and", str(path)):
        fg.store_gram(path, X, "elu")
    assert not list(small_disk.iterdir())
    free = store.shutil.disk_usage
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: free("/"))
    with refuses(OSError, "No space left on device; ", f"of {BLOCKS} blocks are stored", str(path)):
        fg.store_gram(path, X, "elu")
    assert 10 < done(path) < BLOCKS
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    fg.store_gram(path, X, "elu")
    assert bytes_of(path) == expected


def test_a_file_that_may_not_grow(tmp_path):
    """A limit on the size of files."""
    path = tmp_path / "K.npy"
    script = (
        "import resource, sys, fastgram as fg\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        f"fg.store_gram({str(path)!r}, fg.datasets.sphere(200, 3, seed=0))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert told.splitlines()[-1] == f"OSError: [Errno 27] File too large: '{path}'"
