"""Rows to try things on: spheres, circles, subspaces, perturbed rows, digits, and their separation.

Every data set is a function of its arguments alone: the same seed gives the same rows. Exact zeros
of a Gram matrix are known only from exact facts about its rows, so facts that hold in exact
arithmetic (mirror images, opposite points, empty dimensions) hold here bit for bit.

The room may import `support` alone. Start with `points`.
"""

from fastgram.datasets.handwritten import digits
from fastgram.datasets.nearest_pair import separation
from fastgram.datasets.points import circle, smoothed, sphere, subspace

__all__ = ["circle", "digits", "separation", "smoothed", "sphere", "subspace"]
