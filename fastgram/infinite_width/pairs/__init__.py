"""Entries that no table holds, pair by pair: what a list of rows and columns with s² makes of them.

`protocol` says what `integrated_entries` asks for. `direct_pairs` integrates any activation, one
pair after another; `line_pairs` (through `line_layers` and the quadrature of `corner_rule`) takes
lines between kinks and steps, `wave_pairs` sines, `norm_pairs` (through `norm_layers`) those with
no kink but at 0 where norms are close, `smoothed` all others;
`pair_recursion` takes all but the first from layer to layer.
"""
