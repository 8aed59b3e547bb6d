"""A basis that is dealt to workers by rows has the bits of one that is here."""

from __future__ import annotations

import numpy as np
import pytest

from fastgram.devices.cpu import CPU, SLICE_ROWS
from fastgram.linalg.basis.krylov_basis import Basis

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

N = 3 * SLICE_ROWS + 17


@pytest.fixture(scope="module")
def cluster():
    from helpers.clusters import threads

    from fastgram.devices.cluster.device import cluster_of

    with threads(2) as client:
        yield cluster_of(client)


@pytest.fixture(scope="module")
def columns():
    return np.linalg.qr(np.random.default_rng(0).standard_normal((N, 150)))[0]


@pytest.mark.parametrize("here", [0, 1])
def test_the_bits_of_columns_that_are_here(here, cluster, columns):
    dealt, kept = Basis(cluster, N, here * 8 * N * 128), Basis(CPU, N, None)
    for part in (columns[:, :60], columns[:, 60:150]):
        dealt.append(part)
        kept.append(part)
    assert dealt.spilled == 8 * N * (256 - here * 128)
    block = np.random.default_rng(1).standard_normal((N, 5))
    for order in "CF":
        found, meant = (np.array(block, order=order) for _ in range(2))
        dealt.orthogonalise(found)
        kept.orthogonalise(meant)
        assert np.array_equal(found, meant)
        assert np.max(np.abs(columns.T @ found)) < 1e-12
    for count in (150, 130, 20):
        coefficients = np.random.default_rng(2).standard_normal((count, 3))
        assert np.array_equal(dealt.combine(coefficients), kept.combine(coefficients))
