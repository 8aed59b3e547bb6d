"""Block Lanczos and Cholesky factorisation, and the bounds of eigenvalues that either proves.

No module here knows of a network or of a Gram matrix: what is multiplied is a function. It imports
`devices`, `kernels` and `support`. Start with `block_lanczos`, then `lanczos_bound`.
"""
