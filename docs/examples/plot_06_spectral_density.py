"""
All eigenvalues at once
=======================

Stochastic Lanczos quadrature bounds the whole distribution in a few dozen products with the
matrix: quantiles, counts, the log-determinant. All of it holds together with the probability
``confidence``.
"""

import matplotlib.pyplot as plt

import fastgram as fg

rows = fg.datasets.sphere(1500, 20, seed=0)
op = fg.GramOperator(rows, "tanh")
density = fg.spectral_density(op)
print("median", density.quantile(0.5))
print("between 0.1 and 1", density.count(0.1, 1.0))
print("log-determinant", density.log_determinant)

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
density.plot(ax=axes)

# %%
# The degrees of freedom of a kernel ridge regression, at any ridge, come from the same run.

for ridge in (1e-3, 1e-2, 1e-1):
    print(ridge, density.effective_dimension(ridge))
