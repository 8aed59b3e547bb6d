"""Gram matrices on disk: stored block by block, gone on with after a kill, multiplied from there.

`store` builds a file, `formats` says where a block is in each kind of file, `manifest` what the
file is and how far it is done; `stored_gram` is the operator of a finished
one, `products` how it multiplies. It imports eigenvalues, matrix and what is below them. Start with
`store`.
"""
