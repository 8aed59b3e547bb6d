"""Patches of the two photographs that come with scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from fastgram.support.validation import as_integer

__all__ = ["PATCH_SIDE", "patches"]

Array = npt.NDArray[np.float64]

PATCH_SIDE = 8


def patches(n: int, seed: int) -> Array:
    """Patches of 8 x 8 pixels, at random places of scikit-learn's two photographs.

    Parameters
    ----------
    n : int
        Number of patches, from 1 to the 531 720 places that there are.
    seed : int
        Seed of the places, at least 0. No place is taken twice, and those of a smaller `n` are the
        first of a larger one.

    Returns
    -------
    numpy.ndarray
        float64 (n, 64): grey values row by row, the mean of red, green and blue, from 0 (black) to
        255 (white). Overlapping and repeated patches occur, as they do in photographs.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is too small, or `n` larger than there are places.
    ImportError
        If scikit-learn, or Pillow, which it reads photographs with, is missing.

    Notes
    -----
    "china.jpg" (a temple, mostly sky and roofs) and "flower.jpg" (a dahlia) of
    ``sklearn.datasets.load_sample_images``, 427 x 640 pixels each.
    """
    n, seed = as_integer("n", n, 1), as_integer("seed", seed, 0)
    windows = [
        sliding_window_view(image.mean(axis=2), (PATCH_SIDE, PATCH_SIDE))
        for image in _photographs()
    ]
    counts = [window.shape[0] * window.shape[1] for window in windows]
    if n > sum(counts):
        raise ValueError(f"n must be at most {sum(counts)}, the places of a patch, not {n}")
    places = np.random.default_rng(seed).permutation(sum(counts))[:n]
    X = np.empty((n, PATCH_SIDE**2))
    start = 0
    for window, count in zip(windows, counts, strict=True):
        here = np.flatnonzero((places >= start) & (places < start + count))
        rows, columns = np.divmod(places[here] - start, window.shape[1])
        X[here] = window[rows, columns].reshape(len(here), -1)
        start += count
    return X


def _photographs() -> list[npt.NDArray[np.uint8]]:
    try:
        from sklearn.datasets import load_sample_images

        return list(load_sample_images().images)
    except ImportError:
        raise ImportError(
            "patches are of scikit-learn's photographs, which Pillow reads: pip install"
            " 'fastgram[sklearn,images]'"
        ) from None
