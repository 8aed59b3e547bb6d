"""Data sets in words, and patches of photographs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastgram import datasets
from fastgram.datasets import words
from fastgram.datasets.words import EXAMPLES, are_words, from_words, parse_words


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("sphere:n=7,d=3,seed=2", lambda: datasets.sphere(7, 3, seed=2)),
        (" sphere : d=3, n = 7 ", lambda: datasets.sphere(7, 3, seed=0)),
        ("circle:n=5", lambda: datasets.circle(5)),
        ("subspace:n=6,d=4,dim=2,seed=1", lambda: datasets.subspace(6, 4, 2, seed=1)),
        (
            "smoothed:n=6,d=4,dim=2,sigma=1e-3,seed=1",
            lambda: datasets.smoothed(datasets.subspace(6, 4, 2, seed=1), 1e-3, seed=1),
        ),
        ("digits", datasets.digits),
    ],
)
def test_words_are_calls(text, rows):
    made = from_words(text)
    assert np.array_equal(made, rows())
    assert parse_words(text).shape == made.shape


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_words_are_said_in_full(example):
    assert str(parse_words(example)) == example
    assert str(parse_words(example.removesuffix(",seed=0"))) == example


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("sphre:n=7,d=3", ValueError, "unknown data set 'sphre'; did you mean 'sphere'? (known:"),
        ("", ValueError, "unknown data set ''"),
        ("sphere", ValueError, "sphere needs n and d, as in sphere:n=1000,d=10,seed=0"),
        ("sphere:n=7", ValueError, "sphere needs d, as in"),
        ("sphere:n=7,d=3,dim=2", ValueError, "sphere has no 'dim'; did you mean 'd'"),
        ("digits:n=7", ValueError, "digits has no 'n': it is 'digits' alone"),
        ("digits:", ValueError, "digits: '' is no key=value"),
        ("sphere:n=7,d=3,n=8", ValueError, "sphere: n is given twice"),
        ("sphere:7,3", ValueError, "sphere: '7' is no key=value, as in sphere:n=1000,d=10,seed=0"),
        ("sphere:n=,d=3", ValueError, "sphere: 'n=' is no key=value"),
        ("sphere:n=7.0,d=3", TypeError, "sphere: n must be an integer, not '7.0'"),
        ("sphere:n=0,d=3", ValueError, "sphere: n must be at least 1, not 0"),
        ("circle:n=5,seed=0", ValueError, "circle has no 'seed' (known: n)"),
        ("smoothed:n=7,d=3,dim=2,sigma=x", TypeError, "smoothed: sigma must be a number, not 'x'"),
        ("smoothed:n=7,d=3,dim=2,sigma=-1", ValueError, "sigma must be at least 0, not -1"),
        ("smoothed:n=7,d=3,dim=2,sigma=nan", ValueError, "sigma must be finite"),
        ("subspace:n=7,d=3,dim=4", ValueError, "subspace:n=7,d=3,dim=4,seed=0: dim must be at"),
        (7, TypeError, "a data set's words must be a str, not int"),
    ],
)
def test_bad_words_are_one_line(text, error, told):
    with pytest.raises(error) as caught:
        from_words(text)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_memory_does_not_hold_are_refused_before_they_are_drawn(monkeypatch):
    monkeypatch.setitem(words._MAKE, "sphere", None)
    with pytest.raises(ValueError, match=r"sphere:n=10+,d=3,seed=0: [\d,]+ bytes of memory"):
        from_words(f"sphere:n={10**15},d=3")


@pytest.mark.parametrize("text", ["digits", "sphere:n=7,d=3", "sphere", "sphre:n=7", "Sphere:n=1"])
def test_words_are_no_file(text):
    assert are_words(text)


@pytest.mark.parametrize("text", ["./digits", "digits.npy", "a.npz:key", "a.npz:x=y", "x", "c:d"])
def test_files_are_no_words(text):
    assert not are_words(text)


def test_patches_are_pieces_of_the_photographs():
    images = pytest.importorskip("sklearn.datasets").load_sample_images().images
    X = datasets.patches(12, seed=3)
    assert (X.shape, X.dtype) == ((12, 64), np.float64)
    grey = [image.astype(float).sum(axis=2) / 3.0 for image in images]
    found = [0, 0]
    for patch in X.reshape(-1, 8, 8):  # wherever its first pixel is
        for k, image in enumerate(grey):
            corners = np.argwhere(np.abs(image[:-7, :-7] - patch[0, 0]) < 1e-9)
            found[k] += any(np.allclose(image[r : r + 8, c : c + 8], patch) for r, c in corners)
    assert sum(found) >= 12
    assert min(found) > 2
    assert np.array_equal(datasets.patches(7, seed=3), X[:7])
    assert not np.array_equal(datasets.patches(12, seed=4), X)
    assert np.array_equal(from_words("patches:n=12,seed=3"), X)


def test_there_are_no_more_patches():
    pytest.importorskip("sklearn.datasets")
    with pytest.raises(ValueError, match="n must be at most 531720, the places of a patch"):
        datasets.patches(531_721, seed=0)


def test_patches_without_scikit_learn_are_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'fastgram\[sklearn,images\]'") as caught:
        datasets.patches(5, seed=0)
    assert "\n" not in str(caught.value)
