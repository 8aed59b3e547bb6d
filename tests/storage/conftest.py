"""Fixtures of stored matrices: small blocks, and builds that stop where they are told to."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.stored import ENDINGS, SIDE, N

import fastgram as fg
from fastgram.storage import store


@pytest.fixture
def X():
    return fg.datasets.sphere(N, 4, seed=0)


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    if request.param == ".h5":
        pytest.importorskip("h5py")
    return tmp_path / f"K{request.param}"


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(store, "side_of", lambda n, ending: min(n, SIDE))


@pytest.fixture
def written(monkeypatch):
    """The blocks that builds write, in turn."""
    found, write = [], store.write_block

    def watched(layout, i, j, block):
        found.append((i, j))
        write(layout, i, j, block)

    monkeypatch.setattr(store, "write_block", watched)
    return found


@pytest.fixture
def stop_after(monkeypatch):
    """A function that has the next build raise an error in the place of a write."""

    def arrange(count, error):
        write = store.write_block
        left = [count]

        def failing(layout, i, j, block):
            if not left[0]:
                monkeypatch.setattr(store, "write_block", write)
                raise error
            left[0] -= 1
            write(layout, i, j, block)

        monkeypatch.setattr(store, "write_block", failing)

    return arrange


@pytest.fixture
def read_back():
    """What a format's own library reads."""

    def read(path):
        if path.suffix == ".npy":
            return np.load(path)
        if path.suffix == ".h5":
            with pytest.importorskip("h5py").File(path) as file:
                return file["gram"][:]
        return pytest.importorskip("zarr").open_array(str(path), mode="r")[:]

    return read


@pytest.fixture
def bytes_of():
    """All bytes of a file or folder, by their names within it."""

    def read(path):
        if path.is_file():
            return path.read_bytes()
        files = (file for file in sorted(path.rglob("*")) if file.is_file())
        return {str(file.relative_to(path)): file.read_bytes() for file in files}

    return read
