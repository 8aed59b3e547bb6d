"""Linear systems and what vectors see of a matrix: conjugate gradients, scalar Lanczos, ridges.

Start with `block_cg`.
"""
