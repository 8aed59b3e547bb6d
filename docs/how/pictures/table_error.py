"""Entries by the table against their closed form, from a cosine of 1 down to one of -1."""

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg
from fastgram.infinite_width.kernel_function import table_of_norm

angles = np.pi * np.arange(1, 2000) / 2000
ray = np.array([[1.0, 0.0]])
rows = np.column_stack([np.cos(angles), np.sin(angles)])
entries = fg.gram(ray, rows, network="relu", kind="nngp")[0]
closed = (np.sin(angles) + (np.pi - angles) * np.cos(angles)) / (2 * np.pi)
table = table_of_norm(fg.Network("relu"), "nngp", 1.0, "float64")

figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.5), sharex=True, layout="constrained")
above.plot(np.cos(angles), entries, color="#1f6fb4")
above.set(ylabel="E relu(u)relu(v)")
below.semilogy(np.cos(angles), np.abs(entries - closed) + 1e-19, ".", color="#1f6fb4", markersize=2)
below.axhline(table.error, color="#c8500a", label="bound that the table states")
below.set(xlabel="cosine of the rows", ylabel="error of the entry", ylim=(1e-19, 1e-12))
below.legend()
