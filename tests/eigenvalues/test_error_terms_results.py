"""What comes back is rounded outward, and what goes to disk is whole."""

from fractions import Fraction

import numpy as np
import pytest

import fastgram as fg
from fastgram.bracket import Bracket, condition_of
from fastgram.eigenvalues.brackets import bracket_scaled
from fastgram.linalg import checkpoint_folder as _checkpoint
from fastgram.support.scaling import exponent_of, lower_end, scaled, upper_end

LEAST = Fraction(2) ** -1074


def test_ends_are_rounded_outward_where_they_are_denormal():
    generator = np.random.default_rng(0)
    for _ in range(500):
        value = float(generator.uniform(-2, 2))
        exponent = int(generator.integers(-1080, -1000))
        exact = Fraction(value) * Fraction(2) ** exponent
        low, high = Fraction(lower_end(value, exponent)), Fraction(upper_end(value, exponent))
        assert low <= exact <= high
        assert high - low <= 2 * LEAST
        if low != high:
            assert low < exact < high
        found = bracket_scaled(Bracket(value, value, value, "certified"), exponent)
        assert Fraction(found.lower) <= exact <= Fraction(found.upper)
        assert found.lower <= found.estimate <= found.upper


def test_ends_beyond_the_range_stay_on_their_side():
    most = float(np.finfo(np.float64).max)
    assert lower_end(1.5, 2000) == most
    assert upper_end(1.5, 2000) == np.inf
    assert lower_end(-1.5, 2000) == -np.inf
    assert upper_end(-1.5, 2000) == -most


def test_brackets_of_denormal_arrays():
    # [[3, 1], [1, 2]] in units of 2⁻¹⁰⁷⁰: eigenvalues (5 ± √5)/2 of them, or 16 of the least number
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]]) * 2.0**-1070
    for method in ("dense", "lanczos"):
        answer = fg.extreme_eigenvalues(matrix, method=method)
        for found, sign in ((answer.smallest, -1), (answer.largest, 1)):
            for end, side in ((found.lower, -1), (found.upper, 1)):
                x = Fraction(end) * 2**1070
                # (2x − 5)² against 5
                beyond = (2 * x - 5) * sign
                if side * sign > 0:
                    assert beyond >= 0
                    assert beyond**2 >= 5
                else:
                    assert beyond <= 0 or beyond**2 <= 5
        assert answer.noise_floor > 0.0


@pytest.mark.parametrize("size", [1e-320, 1e-250, 1e-20, 1.0, 1e20, 1e300])
def test_a_matrix_is_brought_near_to_one_or_left_alone(size):
    exponent = exponent_of(size)
    near = float(scaled(np.array(size), -exponent))
    assert exponent == 0 or 2.0**-75 <= near <= 2.0
    assert 1e-25 < near < 1e25


def test_conditions_hold_the_ratio_of_any_two_values():
    generator = np.random.default_rng(1)
    sharp = 0
    for _ in range(300):
        low, high = np.sort(generator.uniform(0.1, 1.0, 2)), np.sort(generator.uniform(1, 9, 2))
        smallest = Bracket(*low.tolist(), float(low[0]), "certified")
        largest = Bracket(*high.tolist(), float(high[1]), "certified")
        found = condition_of(smallest, largest)
        least = Fraction(largest.lower) / Fraction(smallest.upper)
        most = Fraction(largest.upper) / Fraction(smallest.lower)
        assert Fraction(found.lower) <= least
        assert Fraction(found.upper) >= most
        assert found.lower <= found.estimate <= found.upper
        sharp += Fraction(found.upper) / most < 1 + Fraction(1, 2**50)
    assert sharp == 300


def test_no_condition_where_the_sign_is_open():
    largest = Bracket(1.0, 2.0, 1.5, "certified")
    assert condition_of(Bracket(-1e-300, 1.0, 0.5, "certified"), largest) is None
    zero = condition_of(Bracket(0.0, 0.5, 0.1, "certified"), largest)
    assert (zero.lower, zero.upper) == (pytest.approx(2.0), np.inf)


MATRIX = np.diag(np.linspace(1.0, 2.0, 60))
ASKED = {"method": "lanczos", "rtol": 1e-9, "block": 4}


@pytest.mark.parametrize("written", [0, 100, 5000])
def test_a_pass_is_on_disk_whole_or_not_at_all(written, tmp_path, monkeypatch):
    whole = fg.extreme_eigenvalues(MATRIX, **ASKED)
    calls = iter(range(100))
    savez = np.savez

    def killed(stream, **arrays):
        if next(calls) < 3:
            savez(stream, **arrays)
            return
        from io import BytesIO

        savez(full := BytesIO(), **arrays)
        stream.write(full.getvalue()[:written])
        raise KeyboardInterrupt

    monkeypatch.setattr(_checkpoint.np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        fg.extreme_eigenvalues(MATRIX, **ASKED, checkpoint=tmp_path)
    monkeypatch.undo()
    resumed = fg.extreme_eigenvalues(MATRIX, **ASKED, checkpoint=tmp_path)
    assert (resumed.smallest, resumed.largest) == (whole.smallest, whole.largest)


def test_a_run_is_not_taken_on_with_another_matrix(tmp_path):
    fg.extreme_eigenvalues(MATRIX, **ASKED, checkpoint=tmp_path, max_passes=2)
    with pytest.raises(ValueError, match="another matrix"):
        fg.extreme_eigenvalues(MATRIX + 1e-6 * np.eye(60), **ASKED, checkpoint=tmp_path)
