"""Lanczos runs of several vectors side by side: what their rules need of them."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.tolerances import EPS

from fastgram.linalg.systems.scalar_lanczos import ScalarLanczos


def run_of(values, columns, passes):
    A = matrix_with(values)
    start = np.random.default_rng(0).standard_normal((len(values), columns))
    run = ScalarLanczos(lambda V: A @ V, start)
    for _ in range(passes):
        run.advance()
    return run, A, start


def test_bases_stay_orthonormal():
    """As no plain recurrence does, once a Ritz value has converged."""
    run, _, _ = run_of(np.r_[np.linspace(0.1, 1.0, 77), 10.0, 100.0, 1000.0], 2, 40)
    for column in range(2):
        basis = np.stack([block[:, column] for block in run._basis], axis=1)
        np.testing.assert_allclose(basis.T @ basis, np.eye(41), atol=100 * EPS)


def test_what_measuring_rounds_is_part_of_the_defect():
    run, _, _ = run_of(np.linspace(0.5, 2.0, 20), 1, 1)
    run._missed[:] = 0.0
    assert run.defect >= 32 * EPS * 2.0 * 0.5


@pytest.mark.parametrize("distinct", [1, 3])
def test_an_invariant_space_ends_a_run(distinct):
    values = np.repeat(np.arange(1.0, 1.0 + distinct), 7)
    run, _, start = run_of(values, 2, distinct)
    assert run.exhausted
    for column, rule in enumerate(run.gauss()):
        nodes = np.sort(rule.nodes)
        assert nodes == pytest.approx(np.arange(1.0, 1.0 + distinct), rel=1e-12)
        assert np.sum(rule.weights) == pytest.approx(np.sum(start[:, column] ** 2), rel=1e-12)


def test_columns_of_any_size():
    """A column's rule is that of the column alone, whatever the others' sizes are."""
    A = matrix_with(np.linspace(0.5, 2.0, 20))
    start = np.random.default_rng(0).standard_normal((20, 2))
    rules = []
    for powers in ([0, 0], [0, -300], [300, -700]):
        run = ScalarLanczos(lambda V: A @ V, np.ldexp(start, powers))
        for _ in range(4):
            run.advance()
        rules.append(run.gauss())
    for other in rules[1:]:
        for mine, theirs in zip(rules[0], other, strict=True):
            assert np.array_equal(mine.nodes, theirs.nodes)
