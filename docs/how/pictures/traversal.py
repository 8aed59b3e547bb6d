"""Which thread had which tile, and when: a traversal as it happened."""

import itertools
import threading

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg
from fastgram.matrix.consumers import VisitTiles
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.traversal import each_tile

TILE, TILES, THREADS = 64, 9, 3

op = fg.GramOperator(fg.datasets.sphere(TILE * TILES, 10, seed=0), "relu")
taken, clock = [], itertools.count()


def note(device, i, j, block):
    """Keep the place of a tile, its thread, and when it came."""
    taken.append((i.start // TILE, j.start // TILE, threading.get_ident(), next(clock)))


each_tile(matrix_of(op).entries, VisitTiles(note), tile=TILE, threads=THREADS)
threads = list(dict.fromkeys(thread for _, _, thread, _ in taken))

figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
for i, j, thread, when in taken:
    rows, columns = (j, i) if i > j else (i, j)
    colour = f"C{threads.index(thread)}"
    axes.add_patch(plt.Rectangle((columns, rows), 1, 1, facecolor=colour, alpha=0.45))
    axes.text(columns + 0.5, rows + 0.5, when + 1, ha="center", va="center")
    if rows != columns:  # the same tile once more, turned
        axes.add_patch(plt.Rectangle((rows, columns), 1, 1, facecolor=colour, alpha=0.12))
axes.set(xlim=(0, TILES), ylim=(TILES, 0), aspect="equal")
axes.set_xticks(np.arange(TILES + 1), [])
axes.set_yticks(np.arange(TILES + 1), [])
axes.grid(color="white")
