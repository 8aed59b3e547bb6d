"""Figures of brackets and densities.

It knows brackets, and neither a solver nor a matrix; matplotlib is imported here alone, when a
figure is drawn. Start with `extremes`.
"""
