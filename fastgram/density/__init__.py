"""The whole spectrum: bounds of all eigenvalues at once, and of sums over them.

`quadrature` bounds what probes see by a Lanczos run, `rank_law` the eigenvalues by what probes
see. It imports `eigenvalues` and what is below it. Start with `spectral_density`.
"""
