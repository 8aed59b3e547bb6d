"""load(): the rows of a set of images on disk, and their labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from fastgram.datasets.files.cifar import batches_of, is_pickle, read_batches, refuse_pickle
from fastgram.datasets.files.idx import is_idx, read_idx_images, read_idx_labels
from fastgram.datasets.files.image_folder import ENDINGS, images_in, labels_of, read_images
from fastgram.support.validation import as_flag

__all__ = ["is_loadable", "load"]

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


@overload
def load(path: str | os.PathLike[str], *, return_X_y: Literal[False] = False) -> Array: ...


@overload
def load(
    path: str | os.PathLike[str], *, return_X_y: Literal[True]
) -> tuple[Array, npt.NDArray[Any]]: ...


def load(
    path: str | os.PathLike[str], *, return_X_y: bool = False
) -> Array | tuple[Array, npt.NDArray[Any]]:
    """Return the rows of a set of images that is on disk, raw.

    Parameters
    ----------
    path : str or path
        - An idx file of images, as MNIST, Fashion-MNIST, EMNIST and others come in
          (``train-images-idx3-ubyte``), compressed (``.gz``) or not.
        - A file of CIFAR's binary versions (``data_batch_1.bin``, ``test_batch.bin``,
          ``train.bin``, ``test.bin``), or their folder: the images to train on, in order.
        - A folder of images of one size, .png, .jpg, .bmp, .gif, .tif, .webp, .ppm or .pgm, those
          in folders within too, in the order of their paths; other files, and what is hidden, are
          passed over. It needs Pillow: ``pip install 'fastgram[images]'``.

        Nothing is downloaded.
    return_X_y : bool
        Return the labels as well.

    Returns
    -------
    X : numpy.ndarray
        float64 (n, d), C-contiguous: a row an image, pixels as the file has them, from 0 to 255
        where they are bytes. Divide by 255 for numbers from 0 to 1; rows of norm 1 need no such
        thing. Pixels go row by row; CIFAR's as all red ones, then green, then blue; those of
        coloured images in folders red, green and blue of each in turn. A folder's images are grey,
        with one number a pixel, where all are.
    y : numpy.ndarray
        (n,), only with `return_X_y`. int64 of an idx file, from that of the labels beside it
        (``train-labels-idx1-ubyte``), and of CIFAR (of CIFAR-100, the fine ones); of a folder, str:
        the names of the folders within that the images are in.

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If a file is damaged, is of none of these, or is a pickle, as the Python version of CIFAR
        is; if images are of different sizes, of 16 bits, or have transparent pixels or
        several frames; if there are no labels, or there is not the memory.
    ImportError
        If Pillow is missing.
    TypeError
        If `path` is no path, or `return_X_y` no bool.

    Notes
    -----
    What a header says is compared with the size of the file before memory is taken. Of photographs
    that a camera has turned (EXIF), the pixels are those of the file.

    Examples
    --------
    >>> import fastgram as fg
    >>> X, y = fg.datasets.load("train-images-idx3-ubyte.gz", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((60000, 784), (60000,))
    """
    labelled, place = as_flag("return_X_y", return_X_y), Path(path)
    if place.is_dir():
        return _load_folder(place, labelled)
    with place.open("rb"):  # a missing file or no permission: said as the system says it
        pass
    name = place.name.lower()
    if name.endswith(_ARCHIVES):
        raise ValueError(f"{place} is an archive: unpack it, and load what is in it")
    if is_idx(place):
        array = read_idx_images(place)
        X = array.reshape(len(array), -1).astype(np.float64)
        return (X, read_idx_labels(place, len(X))) if labelled else X
    if name.endswith(".bin"):
        X, y = read_batches([place])
        return (X, y) if labelled else X
    refuse_pickle(place)
    raise ValueError(
        f"{place}: cannot tell what it holds; known are idx files (MNIST), CIFAR's .bin and folders"
        " of images"
    )


def _load_folder(folder: Path, labelled: bool) -> Array | tuple[Array, Labels]:
    batches = batches_of(folder)
    if batches:
        X, y = read_batches(batches)
        return (X, y) if labelled else X
    images = images_in(folder)
    if not images:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for path in files:
            refuse_pickle(path)
        found = [path.name for path in files if is_idx(path)]
        if found:
            raise ValueError(f"{folder} holds several sets: name one, as in {folder / found[0]}")
        raise ValueError(f"{folder} holds no images ({', '.join(ENDINGS)})")
    if not labelled:
        return read_images(images)
    names = labels_of(folder, images)  # before pixels are read
    return read_images(images), names


def is_loadable(path: Path) -> bool:
    """Whether `load` has a word on this: a folder, an idx file, a .bin, an archive, a pickle."""
    if path.is_dir() or path.name.lower().endswith((".bin", *_ARCHIVES)):
        return True
    return is_idx(path) or is_pickle(path)
