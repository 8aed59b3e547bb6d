"""Sets of images on disk: idx files, CIFAR's batches, folders, and every way they can be wrong."""

from __future__ import annotations

import gzip
import pickle
import struct
import sys

import numpy as np
import pytest

from fastgram.datasets import load
from fastgram.datasets.files import cifar, idx, image_folder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 3, 4), dtype=np.uint8)


def idx_bytes(array, code=8):
    """An idx file, by struct."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.tobytes()


def squeezed(data):
    return gzip.compress(data, mtime=0)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- idx files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images.idx3-ubyte", "mine"])
@pytest.mark.parametrize("zipped", [False, True])
def test_images_of_an_idx_file(tmp_path, name, zipped):
    data = idx_bytes(PIXELS)
    path = write(tmp_path / f"{name}.gz", squeezed(data)) if zipped else None
    path = path or write(tmp_path / name, data)
    if zipped and name == "mine":
        with pytest.raises(ValueError, match="cannot tell what it holds"):
            load(path)
        return
    X = load(path)
    assert (X.dtype, X.shape, X.flags.c_contiguous) == (np.float64, (5, 12), True)
    assert np.array_equal(X, [list(image.flatten()) for image in PIXELS])


@pytest.mark.parametrize(
    ("code", "dtype"), [(9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_other_numbers_of_idx_files(tmp_path, code, dtype):
    array = np.array([[1, -2], [100, 3]], dtype)
    assert np.array_equal(load(write(tmp_path / "a-idx2", idx_bytes(array, code))), array)


@pytest.mark.parametrize("beside", ["train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"])
def test_labels_beside_an_idx_file(tmp_path, beside):
    path = write(tmp_path / "train-images-idx3-ubyte.gz", squeezed(idx_bytes(PIXELS)))
    labels = idx_bytes(np.array([7, 0, 255, 1, 2], np.uint8))
    write(tmp_path / beside, squeezed(labels) if beside.endswith(".gz") else labels)
    X, y = load(path, return_X_y=True)
    assert np.array_equal(X, load(path))
    assert (y.dtype, y.tolist()) == (np.int64, [7, 0, 255, 1, 2])


GOOD = idx_bytes(PIXELS)
HUGE = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**16, 2**16)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no idx file: its magic number is missing"),
        (b"\0\0", "its magic number is 0x0000, where images have 0x00000803"),
        (b"\0\1" + GOOD[2:], "its magic number is 0x00010803"),
        (b"\0\0\7" + GOOD[3:], "its magic number is 0x00000703"),
        (GOOD[:14], "is damaged: it ends within its header"),
        (GOOD[:-1], "5 x 3 x 4 of uint8, as its header says, take 60 bytes, and it has 59 for"),
        (GOOD + b"x", "take 60 bytes, and it has 61 for them"),
        (HUGE, "4294967295 x 65536 x 65536 of uint8, as its header says, take 18,446,744,"),
        (squeezed(HUGE), "bytes, and it has at most"),
        (squeezed(GOOD[:-1]), "take 60 bytes, and it has 59"),
        (squeezed(GOOD + b"x"), "it goes on after 5 x 3 x 4 of uint8"),
        (squeezed(GOOD)[:-12], "is damaged: Compressed file ended before the end-of-stream"),
        (squeezed(GOOD)[:-8] + bytes(8), "is damaged: CRC check failed"),
        (b"\x1f\x8b" + GOOD, "is damaged: Unknown compression method"),
        (idx_bytes(PIXELS[:0]), "holds no images: its shape is 0 x 3 x 4"),
        (idx_bytes(PIXELS[:, 0, 0]), "holds one number a sample, as labels are: load the file"),
    ],
)
def test_damaged_idx_files(tmp_path, refuses, content, told):
    path = write(tmp_path / "train-images-idx3-ubyte", content)
    with refuses(ValueError, str(path), told):
        load(path)


def test_what_memory_does_not_hold_is_not_begun(tmp_path, refuses, monkeypatch):
    path = write(tmp_path / "images-idx3-ubyte.gz", squeezed(GOOD))
    monkeypatch.setattr("fastgram.support.memory.free_memory", lambda: 100)
    monkeypatch.setattr(idx.np, "empty", None)
    with refuses(ValueError, "540 bytes of memory are needed and 100 are free"):
        load(path)


@pytest.mark.parametrize(
    ("name", "labels", "error", "told"),
    [
        ("t-images-idx3-ubyte", None, FileNotFoundError, "its labels, t-labels-idx1-ubyte, are"),
        ("train-idx3-ubyte", None, ValueError, "labels are beside a file with 'images' in its"),
        ("t-images-idx3-ubyte", PIXELS[0, :, 0], ValueError, "holds 3 of uint8, not 5 whole"),
        ("t-images-idx3-ubyte", PIXELS, ValueError, "holds 5 x 3 x 4 of uint8, not 5 whole"),
    ],
)
def test_labels_that_are_not_there(tmp_path, refuses, name, labels, error, told):
    path = write(tmp_path / name, GOOD)
    if labels is not None:
        write(tmp_path / name.replace("images", "labels").replace("3", "1"), idx_bytes(labels))
    with refuses(error, told):
        load(path, return_X_y=True)


# --- CIFAR ---------------------------------------------------------------------------------------


def records(count, *kinds):
    """Images with labels, as bytes and as arrays."""
    pixels = RNG.integers(0, 256, (count, 3072), dtype=np.uint8)
    labels = np.stack([RNG.integers(0, kind, count, dtype=np.uint8) for kind in kinds], axis=1)
    rows = [
        bytes(label) + bytes(image) for label, image in zip(labels.tolist(), pixels, strict=True)
    ]
    return b"".join(rows), pixels, labels


@pytest.mark.parametrize("kinds", [(10,), (20, 100)])
def test_a_file_of_cifar(tmp_path, kinds):
    data, pixels, labels = records(4, *kinds)
    path = write(tmp_path / "test.bin", data)
    X, y = load(path, return_X_y=True)
    assert X.dtype == np.float64
    assert np.array_equal(X, pixels)
    assert (y.dtype, y.tolist()) == (np.int64, labels[:, -1].tolist())
    assert np.array_equal(load(str(path)), X)


def test_the_folders_of_cifar(tmp_path):
    parts = [records(2, 10) for _ in range(6)]
    for k, (data, *_) in enumerate(parts[:5]):
        write(tmp_path / "ten" / f"data_batch_{k + 1}.bin", data)
    write(tmp_path / "ten" / "test_batch.bin", parts[5][0])
    write(tmp_path / "ten" / "batches.meta.txt", b"airplane\n")
    X, y = load(tmp_path / "ten", return_X_y=True)
    assert np.array_equal(X, np.concatenate([pixels for _, pixels, _ in parts[:5]]))
    assert np.array_equal(y, np.concatenate([labels[:, 0] for *_, labels in parts[:5]]))
    hundred = records(3, 20, 100)
    write(tmp_path / "hundred" / "train.bin", hundred[0])
    write(tmp_path / "hundred" / "test.bin", records(1, 20, 100)[0])
    assert np.array_equal(load(tmp_path / "hundred"), hundred[1])


def test_labels_tell_the_versions_apart(tmp_path, monkeypatch, refuses):
    """Files that have whole records of both, here of 3 and of 4 bytes."""
    monkeypatch.setattr(cifar, "_PIXELS", 2)
    ten = bytes([9, 200, 201] * 4)
    assert cifar._records(write(tmp_path / "a.bin", ten))[0].name == "CIFAR-10"
    hundred = bytes([19, 99, 200, 201] * 3)
    assert cifar._records(write(tmp_path / "b.bin", hundred))[0].name == "CIFAR-100"
    with refuses(ValueError, "damaged: image 0 of CIFAR-100 has label 200, above 99"):
        cifar._records(write(tmp_path / "c.bin", bytes([19, 200, 9, 9] * 3)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has 0 bytes, which is no multiple of 3073 (CIFAR-10) or 3074 (CIFAR-100)"),
        (bytes(3072), "has 3,072 bytes, which is no multiple of"),
        (bytes([10]) + bytes(3072), "is damaged: image 0 of CIFAR-10 has label 10, above 9"),
        (bytes(3074) + bytes([0, 100]) + bytes(3072), "image 1 of CIFAR-100 has label 100, above"),
    ],
)
def test_damaged_files_of_cifar(tmp_path, refuses, content, told):
    path = write(tmp_path / "data_batch_1.bin", content)
    with refuses(ValueError, str(path), told):
        load(path)


def test_folders_of_cifar_that_are_not_whole(tmp_path, refuses):
    data = records(1, 10)[0]
    write(tmp_path / "a" / "data_batch_2.bin", data)
    with refuses(ValueError, "data_batch_1.bin and data_batch_3.bin and", "missing; name a file"):
        load(tmp_path / "a")
    write(tmp_path / "b" / "test_batch.bin", data)
    with refuses(ValueError, "no data_batch_1.bin and no train.bin: name test_batch.bin"):
        load(tmp_path / "b")
    for k in range(1, 6):
        write(tmp_path / "c" / f"data_batch_{k}.bin", data if k < 5 else bytes(3074))
    with refuses(ValueError, "data_batch_5.bin is of CIFAR-100", "of CIFAR-10"):
        load(tmp_path / "c")


def test_no_pickle_is_opened(tmp_path, refuses):
    class Bomb:
        def __reduce__(self):
            return exec, ("raise AssertionError",)

    for name in ("cifar-10-batches-py/data_batch_1", "cifar-100-python/train", "rows.pkl"):
        path = write(tmp_path / name, pickle.dumps(Bomb()))
        for place in {path, path.parent} - {tmp_path}:
            with refuses(ValueError, "is a pickle, which may run any code", "cifar-10-binary"):
                load(place)


# --- folders -------------------------------------------------------------------------------------

Image = pytest.importorskip("PIL.Image")


def picture(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def test_a_folder_of_images(tmp_path):
    coloured = RNG.integers(0, 256, (4, 3, 5, 3), dtype=np.uint8)
    picture(tmp_path / "dog" / "1.png", coloured[0])
    picture(tmp_path / "cat" / "b" / "2.bmp", coloured[1])
    picture(tmp_path / "cat" / "1.PNG", coloured[2])
    picture(tmp_path / "cat" / "3.png", coloured[3][..., 0])  # a grey one among them
    write(tmp_path / "README.txt", b"pets")
    write(tmp_path / "README.bin", b"pets")
    write(tmp_path / "pets.pkl", pickle.dumps({}))
    write(tmp_path / "cat" / ".hidden.png", b"")
    picture(tmp_path / ".cache" / "1.png", coloured[0])
    (tmp_path / "cat" / "more.png").mkdir()
    X, y = load(tmp_path, return_X_y=True)
    grey = np.repeat(coloured[3][..., :1], 3, axis=2)
    expected = [coloured[2], grey, coloured[1], coloured[0]]
    assert X.dtype == np.float64
    assert np.array_equal(X, [image.flatten() for image in expected])
    assert y.tolist() == ["cat", "cat", "cat", "dog"]
    assert np.array_equal(load(tmp_path), X)


def test_grey_images_have_one_number_a_pixel(tmp_path):
    for k in range(3):
        picture(tmp_path / f"{k}.png", PIXELS[k])
    assert np.array_equal(load(tmp_path), PIXELS[:3].reshape(3, 12))


def test_opaque_pixels_of_images_with_transparency(tmp_path, refuses):
    opaque = np.dstack([RNG.integers(0, 256, (3, 4, 3)), np.full((3, 4), 255)]).astype(np.uint8)
    path = picture(tmp_path / "a.png", opaque)
    assert np.array_equal(load(tmp_path), [opaque[..., :3].flatten()])
    opaque[1, 2, 3] = 254
    picture(path, opaque)
    with refuses(ValueError, str(path), "it has transparent pixels"):
        load(tmp_path)


def test_images_of_two_sizes(tmp_path, refuses):
    first = picture(tmp_path / "a.png", PIXELS[0])
    second = picture(tmp_path / "b.png", PIXELS[0].T.copy())
    with refuses(ValueError, f"{first} has 4 x 3 pixels, {second} has 3 x 4"):
        load(tmp_path)


def test_images_that_cannot_be_read(tmp_path, refuses):
    whole = picture(tmp_path / "a.png", RNG.integers(0, 256, (40, 40), np.uint8)).read_bytes()
    for content, told in [
        (b"", "it is none of PNG, JPEG"),
        (b"GIF?", "it is none of PNG, JPEG"),
        (whole[:-300], "cannot be read as an image: "),
        (whole[:20], "cannot be read as an image: "),
    ]:
        path = write(tmp_path / "b.png", content)
        with refuses(ValueError, f"{path} cannot be read as an image", told):
            load(tmp_path)
    picture(path, np.full((40, 40), 300, np.uint16))
    with refuses(ValueError, str(path), "mode I;16, where 8 bits a channel are read"):
        load(tmp_path)
    path.unlink()
    frames = [Image.fromarray(np.full((40, 40), k, np.uint8)) for k in (1, 90)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    with refuses(ValueError, "b.gif", "it has 2 frames, where one is read"):
        load(tmp_path)


def test_images_that_memory_does_not_hold_are_not_decoded(tmp_path, refuses, monkeypatch):
    picture(tmp_path / "a.png", PIXELS[0])
    monkeypatch.setattr("fastgram.support.memory.free_memory", lambda: 50)
    monkeypatch.setattr(image_folder.np, "empty", None)
    with refuses(ValueError, "1 images of 4 x 3 pixels: 96 bytes of memory are needed"):
        load(tmp_path)


def test_an_image_without_a_folder_has_no_label(tmp_path, refuses):
    picture(tmp_path / "a" / "1.png", PIXELS[0])
    path = picture(tmp_path / "b.png", PIXELS[0])
    with refuses(ValueError, f"{path} has no label: labels are the names of the folders"):
        load(tmp_path, return_X_y=True)


def test_no_pillow_is_one_line(tmp_path, refuses, monkeypatch):
    picture(tmp_path / "a.png", PIXELS[0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    with refuses(ImportError, "images are read by Pillow: pip install 'fastgram[images]'"):
        load(tmp_path)


# --- anything else -------------------------------------------------------------------------------


def test_what_is_none_of_these(tmp_path, refuses):
    with refuses(ValueError, str(tmp_path), "holds no images (.png, .jpg,"):
        load(tmp_path)
    with refuses(FileNotFoundError, "no.bin"):
        load(tmp_path / "no.bin")
    with refuses(ValueError, "a.csv: cannot tell what it holds; known are idx files (MNIST)"):
        load(write(tmp_path / "a.csv", b"1,2\n"))
    with refuses(ValueError, "cifar-10-binary.tar.gz is an archive: unpack it"):
        load(write(tmp_path / "cifar-10-binary.tar.gz", b""))
    write(tmp_path / "train-images-idx3-ubyte", GOOD)
    with refuses(ValueError, "holds several sets: name one, as in", "train-images-idx3-ubyte"):
        load(tmp_path)
    with refuses(TypeError, "return_X_y must be True or False, not 1"):
        load(tmp_path, return_X_y=1)
    with refuses(TypeError, "int"):
        load(7)
