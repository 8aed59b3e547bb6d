"""How much of an eigenvector a random block has: the law, and the quantile that is promised."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import beta

from fastgram.linalg.lanczos_bound import overlap_quantile

N, CHANCE = 10_000, 0.0005  # half of 1 - confidence, for one end

figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
overlaps = np.geomspace(1e-11, 1e-1, 500)
for index, block in enumerate((1, 4, 16, 32)):
    law = beta(block / 2, (N - block) / 2)
    axes.plot(overlaps, law.cdf(overlaps), color=f"C{index}", label=f"block of {block}")
    quantile = overlap_quantile(CHANCE, block, N)
    axes.plot(quantile, CHANCE, "o", color=f"C{index}")
axes.axhline(CHANCE, color="gray", linestyle=":")
axes.set(xscale="log", yscale="log", ylim=(1e-5, 1.5))
axes.set(xlabel="‖uᵀQ₀‖², n = 10 000", ylabel="chance to have less")
axes.legend()
