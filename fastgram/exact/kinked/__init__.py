"""Activations with kinks in ball arithmetic: elu, selu, celu, relu6 and hard_tanh.

`formula` has them in pieces, `moments` the truncated moments that expectations are made of, and
`expansions` how few of those take an integral. Start with `formula`.
"""
