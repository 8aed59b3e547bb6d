"""Activations, their duals, networks, and exact facts about the rank of their Gram matrices.

A network is data: depth, width and variances of a record of `activations`. The dual of any
activation is one quadrature in `duals`. It imports `kernels`, `bracket` and `support`. Start with
`network`.
"""
