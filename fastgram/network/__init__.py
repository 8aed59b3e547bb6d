"""Activations, their duals, networks, and exact facts about the rank of their Gram matrices.

A network is data: depth, width and variances of a record of `activations`, whose built-in ones
are the table of `families`. `layers` is the recursion over layers, over numbers of any type; `rank`
bounds ranks by exact facts, and `theory` has the kernel of unit rows. The dual of any activation is
an integral, of `integrals`, that `duals` asks for. It imports `support` alone. Start with
`network`.
"""
