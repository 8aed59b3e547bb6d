"""Compiled tiles: from cosines to Gram entries, and products of them, on CPUs and on GPUs.

`contract` says what a tile kernel takes and returns, and is all that the rest of the library knows
of it; `reference` is the naive oracle; `cpu` and `cuda` keep the contract. This room imports
`support` alone, and nothing here knows an activation, a depth or a kind of Gram matrix. Start with
`contract`, then README.md of this folder.
"""
