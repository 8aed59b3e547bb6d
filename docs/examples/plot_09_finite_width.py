"""
From finite width to infinite
=============================

A network of finite width has random weights, which a seed determines. As it becomes wider its Gram
matrix comes near that of infinite width, and its smallest eigenvalue too.
"""

import matplotlib.pyplot as plt

import fastgram as fg

rows = fg.datasets.sphere(200, 10, seed=0)
limit = fg.extreme_eigenvalues(fg.GramOperator(rows, "relu")).smallest
widths = [50, 200, 800, 3200]

figure, axes = plt.subplots()
for seed in range(3):
    values = []
    for width in widths:
        network = fg.Network("relu", width=width, seed=seed)
        values.append(fg.extreme_eigenvalues(fg.GramOperator(rows, network)).smallest)
    axes.plot(widths, [value.estimate for value in values], "o-", label=f"seed {seed}")
    print(f"seed {seed}, {widths[-1]} neurons: {values[-1]}")
axes.axhline(limit.estimate, color="gray", linestyle=":", label="infinite width")
axes.set(xscale="log", xlabel="neurons", ylabel="λ_min")
axes.set_xticks(widths, widths)
axes.legend()
print("infinite width:", limit)
