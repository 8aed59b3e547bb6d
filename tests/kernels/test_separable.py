"""Separable pieces of numbers at random, on either device, against the contract's formula."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cuda_host import host_kernels, needs_compiler
from helpers.tolerances import FEW

from fastgram.kernels.contract import CELLS, PieceVariable, SeparablePiece
from fastgram.kernels.cpu import evaluate as cpu

ONE, MINUS_ONE, COSINE = (
    PieceVariable.FROM_ONE,
    PieceVariable.FROM_MINUS_ONE,
    PieceVariable.IN_COSINE,
)
# lengths of the even and of the odd polynomial of each term
BOTH = [(5, 5), (2, 2), (4, 4)]
CASES = [(COSINE, BOTH), (ONE, BOTH), (MINUS_ONE, BOTH)]
CASES += [(COSINE, [(6, 1), (3, 1)]), (COSINE, [(1, 6), (1, 2), (1, 4)])]


def piece_of(mode, lengths, height, width, kind):
    rng = np.random.default_rng(len(lengths))
    edges = {ONE: (2.0, 0.4), MINUS_ONE: (-0.4, -2.0), COSINE: (0.5, -0.4)}
    top, bottom = edges[mode]
    rank = len(lengths)
    return SeparablePiece(
        top=top,
        bottom=bottom,
        mode=mode,
        slope=1.7,
        offset=-0.2,
        horner_lengths=np.array(lengths, dtype=np.int64),
        coefficients=rng.standard_normal((height, np.sum(lengths))).astype(kind),
        bases=rng.standard_normal((height, rank)).astype(kind),
        weights=rng.standard_normal((rank, width)).astype(kind),
    )


def by_formula(piece, cosines, row_scale, column_scale):
    """Entries in float64, one polynomial after the other, and the size of what they sum."""
    rho = cosines.astype(np.float64)
    side = 1.0 if piece.mode == ONE else -1.0
    v = rho if piece.mode == COSINE else np.sqrt((1.0 - side * rho) / 2.0)
    t = piece.slope * v + piece.offset
    total, size, start = np.zeros_like(t), np.zeros_like(t), 0
    for r, (even, odd) in enumerate(piece.horner_lengths):
        own = piece.coefficients[:, start : start + even + odd].astype(np.float64)
        start += even + odd
        value, bound = np.zeros_like(t), np.zeros_like(t)
        for parity, part in enumerate(np.split(own, [even], axis=1)):
            for power, coefficient in enumerate(part.T[::-1]):
                term = coefficient[:, None] * t ** (2 * power + parity)
                value += term
                bound += np.abs(term)
        if piece.mode != COSINE:
            base = piece.bases[:, r, None].astype(np.float64)
            value, bound = base - v * value, np.abs(base) + v * bound
        total += value * piece.weights[r]
        size += bound * np.abs(piece.weights[r])
    weights = np.outer(row_scale, column_scale)
    return total * weights, size * weights


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("mode", "lengths"), CASES)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_compiler)])
def test_pieces_by_the_formula(device, mode, lengths, kind):
    """Rows that are on the piece as they lie, nearly so and hardly; more than a chunk of them."""
    evaluate = cpu.evaluate if device == "cpu" else host_kernels(False).evaluate
    rng = np.random.default_rng(1)
    height, width = 6, 530
    piece = piece_of(mode, lengths, height, width, kind)
    inside = {ONE: (0.41, 0.9), MINUS_ONE: (-0.9, -0.41), COSINE: (-0.39, 0.49)}[mode]
    cosines = rng.uniform(*inside, (height, width))
    for row, share in enumerate((0.0, 0.02, 0.1, 0.5, 0.9, 1.0)):
        elsewhere = rng.random(width) < share
        cosines[row, elsewhere] = rng.uniform(-0.9, 0.9, np.count_nonzero(elsewhere))
    cosines = cosines.astype(kind)
    # no pair is close, whatever the rows
    rows, columns = (np.zeros((n, 3), kind) for n in (height, width))
    scales = [rng.uniform(0.5, 1.5, n).astype(kind) for n in (height, width)]
    out = np.full(cosines.shape, np.nan, kind)
    evaluate(cosines, rows, columns, *scales, piece, out)
    here = (cosines < piece.top) & (cosines >= piece.bottom)
    assert np.array_equal(np.isnan(out), ~here)
    wanted, size = by_formula(piece, cosines, *scales)
    allowed = FEW * float(np.finfo(kind).eps) * size
    assert np.all(np.abs(out - wanted)[here] <= allowed[here])
