"""What papers on wide networks begin with: the kernel of unit rows, its series, its eigenvalues.

`unit_rows` has them as methods, which `Network` inherits: no file here imports that, all take it as
the `NetworkFacts` of `network.layers`. `moments` has variances and diagonal entries,
`cosine_kernel` the entry as a function of the cosine, `power_series` its coefficients (by the
arithmetic of `series`), `sphere` the eigenvalues on the sphere, and `criticality` the variances at
the edge of chaos. Start with `unit_rows`.
"""
