"""The whole spectrum: bounds of all eigenvalues at once, and of sums over them.

`quadrature` is what a Lanczos run says of its probes, `rank_law` what probes say of the
eigenvalues. It imports `eigenvalues` and what is below it. Start with `spectral_density`.
"""
