"""The pieces and cells of tables, on the axis of the cosine."""

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg
from fastgram.infinite_width.kernel_function import table_of_norm
from fastgram.kernels.contract import PieceVariable

NETWORKS = {
    "tanh": fg.Network("tanh"),
    "relu": fg.Network("relu"),
    "relu, depth 30": fg.Network("relu", depth=30, normalize=True),
    "hard_tanh": fg.Network("hard_tanh"),
}


def edges_of(table, piece):
    """Return the edges of a piece's cells, as cosines."""
    mode, low, high = table.modes[piece], table.lows[piece], table.highs[piece]
    cells = table.cells.shape[2] + 1
    if mode == PieceVariable.FROM_NEARER:  # cells are counted in the cosine
        end = 1.0 - 2.0 * low
        return np.linspace(-end, end, cells)
    chords = np.linspace(np.sqrt(low), np.sqrt(min(high, 0.5)), cells)
    cosines = 1.0 - 2.0 * chords**2
    return cosines if mode == PieceVariable.FROM_ONE else -cosines


figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
for row, network in enumerate(NETWORKS.values()):
    table = table_of_norm(network, "ntk", 1.0, "float64")
    for piece in range(len(table.modes)):
        edges = edges_of(table, piece)
        axes.hlines(row, edges.min(), edges.max(), color=f"C{piece % 10}", linewidth=12, alpha=0.4)
        axes.vlines(edges, row - 0.18, row + 0.18, color="black", linewidth=0.6)
    degree = table.cells.shape[1] - 2
    axes.text(1.03, row, f"{len(table.modes)} × 8 × degree {degree}", va="center")
axes.set(xlim=(-1.02, 1.75), xticks=[-1, -0.5, 0, 0.5, 1], xlabel="cosine of two rows")
axes.set_yticks(range(len(NETWORKS)), NETWORKS)
axes.invert_yaxis()
for side in ("top", "right", "left"):
    axes.spines[side].set_visible(False)
