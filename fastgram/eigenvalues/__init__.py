"""The extreme eigenvalues of a symmetric matrix, with brackets.

`extreme` checks arguments and puts the answer together, `adapters` makes a `problem` of what is
given, `methods` has one file for each way. It imports `matrix`, `linalg` and what is below them.
Start with `extreme`.
"""
