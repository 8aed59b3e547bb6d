"""Rows to try things on: spheres, circles, subspaces, perturbed rows, digits, patches.

Every data set is a function of its arguments alone: the same seed gives the same rows. Exact zeros
of a Gram matrix are known only from exact facts about its rows, so facts that hold in exact
arithmetic (mirror images, opposite points, empty dimensions) hold here bit for bit.

The room may import `support` alone, and scikit-learn for its photographs. Start with `points`;
`words` has all sets by name.
"""

from fastgram.datasets.handwritten import digits
from fastgram.datasets.nearest_pair import separation
from fastgram.datasets.photographs import patches
from fastgram.datasets.points import circle, smoothed, sphere, subspace
from fastgram.datasets.words import from_words

__all__ = [
    "circle",
    "digits",
    "from_words",
    "patches",
    "separation",
    "smoothed",
    "sphere",
    "subspace",
]
