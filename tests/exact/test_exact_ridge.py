"""A ridge in ball arithmetic: the number itself, added without rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest

import fastgram as fg

pytest.importorskip("flint")

X = fg.datasets.circle(13)


def test_it_moves_every_eigenvalue():
    plain = fg.exact_extreme_eigenvalues(X, "tanh")
    moved = fg.exact_extreme_eigenvalues(X, "tanh", ridge=0.1)
    for name in ("smallest", "largest"):
        before, after = getattr(plain, name), getattr(moved, name)
        assert Fraction(after.lower) <= Fraction(before.upper) + Fraction(0.1)
        assert Fraction(before.lower) + Fraction(0.1) <= Fraction(after.upper)
    assert moved.smallest_digits.startswith("1.00020092176128")


def test_where_the_matrix_is_singular_the_ridge_is_the_smallest():
    answer = fg.exact_extreme_eigenvalues(X, "polynomial", kind="nngp", ridge=0.5)
    assert answer.smallest.lower == answer.smallest.upper == 0.5
    assert answer.smallest_digits == "5.00000000000000e-1"
    assert "the ridge" in answer.message
    assert answer.rank_bound == 13
    assert answer.condition.upper == pytest.approx(answer.largest.upper / 0.5, rel=1e-14)


def test_the_zero_matrix():
    answer = fg.exact_extreme_eigenvalues(X, "step", ridge=0.25)  # the gradient of which is 0
    assert answer.smallest.estimate == answer.largest.estimate == 0.25


@pytest.mark.parametrize("ridge", [-1.0, float("nan"), "1"])
def test_what_is_no_ridge(ridge, refuses):
    with refuses((ValueError, TypeError), "ridge"):
        fg.exact_extreme_eigenvalues(X, "tanh", ridge=ridge)
