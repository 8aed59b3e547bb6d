"""Figures of brackets and densities.

It knows brackets, and neither a solver nor a matrix: results and networks are what has the
attributes that `figure` and `sweeps` name. It imports `bracket` and `support`; matplotlib is
imported here alone, when a figure is drawn. Start with `extremes`.
"""
