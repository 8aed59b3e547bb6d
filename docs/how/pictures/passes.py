"""The bracket of the smallest eigenvalue after each pass of a run, and what it closes on."""

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg

rows = fg.datasets.sphere(1200, 8, seed=0)
op = fg.GramOperator(rows, "relu")
brackets = []


def watch(smallest, largest):
    """Keep the bracket of the smallest eigenvalue."""
    brackets.append((max(smallest.lower, 1e-9), smallest.upper))


fg.extreme_eigenvalues(op, rtol=1e-3, method="lanczos", block=8, callback=watch)
low, high = np.array(brackets).T
true = np.linalg.eigvalsh(op.dense())[0]

figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
looks = np.arange(1, len(low) + 1)
axes.fill_between(looks, low, high, color="#1f6fb4", alpha=0.3, label="bracket of λ_min")
axes.axhline(true, color="#c8500a", linewidth=1, label="λ_min, by LAPACK")
axes.set(yscale="log", ylim=(true / 30, true * 30), xlabel="looks at the run", xlim=(1, len(low)))
axes.legend()
