"""The entries at infinite width, as functions of the angle between rows: from duals to tables.

`kernel_function` is the entry as a function of two rows. `recursion` goes from layer to layer by
the maps of `layer_maps`, `piecewise` fits polynomials to functions of the angle, `tables` and
`separable_table` make of these the tables that kernels evaluate, and `conditioning` bounds their
errors. `entry_choice` picks the class of `entries`. It imports `network`, `devices` and what is
below them. Start with `kernel_function`, and with `entries` for a block of the matrix.
"""
