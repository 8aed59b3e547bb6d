"""Folders of images of one size, read by Pillow; a folder within is a class."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastgram.support.memory import require_memory

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ENDINGS", "images_in", "labels_of", "read_images"]

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_GREY, _COLOURED = ("1", "L", "LA"), ("RGB", "P", "RGBA", "PA", "CMYK", "YCbCr")


def images_in(folder: Path) -> list[Path]:
    """Return the files in a folder, and in those within, that are images by their endings.

    What is hidden, or within a hidden folder (copies that a program keeps), is passed over.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def labels_of(folder: Path, paths: Sequence[Path]) -> npt.NDArray[np.str_]:
    """Return the names of the folders, next below `folder`, that images are in.

    Raises
    ------
    ValueError
        If an image is in none.
    """
    for path in paths:
        if path.parent == folder:
            raise ValueError(f"{path} has no label: labels are the names of the folders within")
    return np.array([path.relative_to(folder).parts[0] for path in paths])


def read_images(paths: Sequence[Path]) -> npt.NDArray[np.float64]:
    """Return the pixels of images, a row each.

    Raises
    ------
    ImportError
        If Pillow is missing.
    ValueError
        If the sizes differ, one is damaged, has 16 bits, frames or transparent pixels, or there
        is not the memory.
    """
    size, grey = _common_size(paths)
    count = size[0] * size[1] * (1 if grey else 3)
    require_memory(f"{len(paths)} images of {_size_words(size)} pixels", 8 * len(paths) * count)
    X = np.empty((len(paths), count))
    for place, path in enumerate(paths):
        with _opened(path) as image:
            _refuse_transparency(image)
            X[place] = np.asarray(image.convert("L" if grey else "RGB")).reshape(-1)
    return X


def _common_size(paths: Sequence[Path]) -> tuple[tuple[int, int], bool]:
    """Return the size of all images, and whether all are grey; no pixel is read for that."""
    sizes, modes = [], set()
    for path in paths:
        with _opened(path) as image:
            _check(image)
            sizes.append(image.size)
            modes.add(image.mode)
        if sizes[-1] != sizes[0]:
            raise ValueError(
                f"images are of one size: {paths[0]} has {_size_words(sizes[0])} pixels, {path} has"
                f" {_size_words(sizes[-1])}"
            )
    return sizes[0], modes <= set(_GREY)


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open an image; every error that is met is of this file."""
    try:
        from PIL import Image as pillow
    except ImportError:
        raise ImportError("images are read by Pillow: pip install 'fastgram[images]'") from None
    # what Pillow raises of damaged files
    kinds = (OSError, ValueError, SyntaxError, IndexError, TypeError, EOFError, struct.error)
    try:
        with pillow.open(path, formats=_FORMATS) as image:
            yield image
    except (*kinds, pillow.DecompressionBombError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, pillow.UnidentifiedImageError):
            words = f"it is none of {', '.join(_FORMATS)}"
        raise ValueError(f"{path} cannot be read as an image: {words}") from None


def _check(image: Image) -> None:
    if image.mode not in (*_GREY, *_COLOURED):
        raise ValueError(f"its pixels are of mode {image.mode}, where 8 bits a channel are read")
    if getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"it has {image.n_frames} frames, where one is read")


def _refuse_transparency(image: Image) -> None:
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return
    if image.convert("RGBA").getextrema()[3][0] < 255:
        raise ValueError("it has transparent pixels, which have no colour: flatten it")


def _size_words(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
