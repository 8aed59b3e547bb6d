"""What the package promises, checked against closed forms that share no code with fastgram."""

from __future__ import annotations

import pickle

import numpy as np
import numpy.typing as npt
import snake

import fastgram as fg


def closed_form(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return ρ·E f'(u)f'(v) of unit rows: f' = 1 + sin 2z and E sin 2u sin 2v = e⁻⁴ sinh 4ρ."""
    rho: npt.NDArray[np.float64] = rows @ rows.T
    entries: npt.NDArray[np.float64] = rho * (1.0 + np.exp(-4.0) * np.sinh(4.0 * rho))
    return entries


def main() -> None:
    """Raise AssertionError where something is not as it should be."""
    rows = np.asarray(fg.datasets.sphere(40, 6, seed=3))
    entries = snake.kernel(rows)
    assert entries.dtype == np.float64
    np.testing.assert_allclose(entries, closed_form(rows), rtol=1e-12, atol=1e-14)
    bracket = snake.smallest_eigenvalue(rows)
    assert bracket.lower <= np.linalg.eigvalsh(closed_form(rows))[0] * (1.0 + 1e-9)
    assert bracket.upper >= np.linalg.eigvalsh(closed_form(rows))[0] * (1.0 - 1e-9)
    assert pickle.loads(pickle.dumps(snake.snake(2.0))) == snake.snake(2.0)
    print(f"snake, depth 1, 40 rows: {bracket}")


if __name__ == "__main__":
    main()
