"""
What depth does
===============

Depth takes away what few dimensions do to smooth activations: λ_min grows with every layer. For the
layers to keep the variance of the rows, each activation is normalised: E φ(z)² = 1.
"""

import matplotlib.pyplot as plt

import fastgram as fg

rows = fg.datasets.sphere(200, 5, seed=0)
depths = [1, 2, 4, 8, 16]
figure, axes = plt.subplots()
for name in ("relu", "tanh"):
    brackets = []
    for depth in depths:
        network = fg.Network(name, depth=depth, normalize=True)
        op = fg.GramOperator(rows, network, kind="ntk")
        brackets.append(fg.extreme_eigenvalues(op).smallest)
    axes.fill_between(depths, [b.lower for b in brackets], [b.upper for b in brackets], alpha=0.4)
    axes.plot(depths, [b.estimate for b in brackets], "o-", label=name)
    print(name, *brackets, sep="\n  ")
axes.set(xscale="log", yscale="log", xlabel="depth", ylabel="λ_min of the NTK")
axes.set_xticks(depths, depths)
axes.legend()
