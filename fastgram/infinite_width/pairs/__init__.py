"""Entries that no table holds, pair by pair: what a list of rows and columns with s² makes of them.

`protocol` says what `integrated_entries` asks for. `direct_pairs` integrates any activation, one
pair after another; `line_pairs` (through `line_layers` and the quadrature of `corner_rule`) takes
lines between kinks and steps, `wave_pairs` sines, `norm_pairs` (through `norm_layers`) those with
no kink but at 0; `pair_recursion` takes the lines and the last of these from layer to layer.
"""
