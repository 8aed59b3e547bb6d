"""Sets of images as DATA: rows, labels, and what is refused in a line."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helpers.commands import strict

PIXELS = np.random.default_rng(0).integers(1, 256, (30, 2, 3), dtype=np.uint8)
LABELS = (np.arange(30) % 25).astype(np.uint8)  # more kinds than numbers of a table are taken for


@pytest.fixture
def images(tmp_path):
    for name, array in (("images-idx3", PIXELS), ("labels-idx1", LABELS)):
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (tmp_path / f"t-{name}-ubyte").write_bytes(head + array.tobytes())
    return tmp_path / "t-images-idx3-ubyte"


def test_images_are_rows(run, images, tmp_path):
    status, out, _ = run("gram", images, tmp_path / "K.npy", "-a", "linear", "--rows", "raw")
    assert status == 0
    assert f"Gram matrix of {images}, 30 x 6, rows as they are" in out
    rows = PIXELS.reshape(30, 6).astype(float)
    assert np.allclose(np.load(tmp_path / "K.npy"), rows @ rows.T, rtol=1e-14)


def test_what_images_show_is_learnt(run, images):
    words = ["-a", "linear", "--steps", 0, "--drop", "0-1"]
    [record] = strict(run("train", images, "--label", "label", *words, "--json", "-")[1])
    assert record["columns"] == ["2", "3", "4", "5"]
    classes = LABELS[:, None] == np.arange(25)
    assert record["initial_loss"] == pytest.approx(0.5 * np.sum((classes - classes.mean(0)) ** 2))


def test_folders_are_classes_even_where_their_names_are_numbers(run, tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    for k in range(25):
        (tmp_path / "pets" / f"{k}").mkdir(parents=True)
        pillow.fromarray(PIXELS[k]).save(tmp_path / "pets" / f"{k}" / "a.png")
    words = ["--label", "label", "-a", "linear", "--steps", 0]
    status, out, _ = run("train", tmp_path / "pets", *words)
    assert status == 0
    assert "25 classes, an output each" in out
    assert f"Gram matrix of {tmp_path / 'pets'}, 25 x 6" in out


def test_what_is_refused(refused, images, tmp_path):
    missing = refused("train", images, "-a", "relu")
    assert "what is to be learnt is missing: --label COLUMN, or --label label of images" in missing
    line = refused("train", images, "-a", "relu", "--label", "label", "--label", "2")
    assert "the label of images is 'label', and no other beside it" in line
    assert "has no column 'size'" in refused("train", images, "-a", "relu", "--label", "size")
    images.write_bytes(images.read_bytes()[:-1])
    assert "is damaged" in refused("spectrum", images, "-a", "relu")
    (tmp_path / "a.tar.gz").write_bytes(b"")
    assert "is an archive: unpack it" in refused("spectrum", tmp_path / "a.tar.gz", "-a", "relu")
    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in refused("spectrum", tmp_path / "empty", "-a", "relu")
