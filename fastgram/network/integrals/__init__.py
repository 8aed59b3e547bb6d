"""Integrals over one and two normal variables of any activation, at any variance.

`quadrature` has the panels and their levels, `line_quadrature` one variable, `double_integral` two
at one angle, `chords` all angles at once, `waves` what swings too often for nodes, and `hermite`
the coefficients of a power series in ρ. It imports `network.activations` and `support`. Start with
`chords`.
"""
