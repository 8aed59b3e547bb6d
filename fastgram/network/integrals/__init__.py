"""Integrals over one and two normal variables of any activation, at any variance.

`quadrature` has the panels, `bends` where they need not be graded, `cuts` where they have to be cut
besides, `roughness` why they do not converge, `line_quadrature` one variable,
`double_integral` two at some angles, `levels` how many nodes they take, `chords` all angles at
once, `waves` what swings too often for nodes, and `hermite` the coefficients of a power series in
ρ. It imports `network.activations` and `support`. Start with `chords`.
"""
