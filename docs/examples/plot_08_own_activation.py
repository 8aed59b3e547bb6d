"""
An activation of your own
=========================

An activation is a function, its derivative, and its kinks: the points where the derivative, or the
derivative's derivative, jumps. Whatever takes a name takes it too.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastgram as fg


def shrink(z):
    """Move z towards 0 by 1/2, and what is nearer to 0."""
    return np.sign(z) * np.maximum(np.abs(z) - 0.5, 0.0)


def shrink_slope(z):
    """Return the derivative."""
    return (np.abs(z) > 0.5).astype(float)


own = fg.Activation("soft_shrink", shrink, shrink_slope, kinks=(-0.5, 0.5))

rows = fg.datasets.sphere(300, 3, seed=0)
for activation in (own, "relu", "tanh"):
    print(
        activation, fg.extreme_eigenvalues(fg.GramOperator(rows, activation)).smallest, sep="\n  "
    )

# %%
# The kernel of unit rows as a function of their cosine, and its Hermite coefficients, which say how
# fast the eigenvalues fall.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
cosines = np.linspace(-1, 1, 201)
for activation in (own, "tanh"):
    name = getattr(activation, "name", activation)
    left.plot(cosines, fg.Network(activation).kernel(cosines, kind="gradient"), label=name)
    coefficients = fg.hermite_coefficients(activation, 30)
    right.semilogy(range(1, 30, 2), np.abs(coefficients[1::2]), "o", label=name)
left.set(xlabel="cosine", title="entry of the gradient Gram matrix")
right.set(xlabel="odd degree", title="Hermite coefficients")
left.legend()
