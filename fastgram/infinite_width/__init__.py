"""The entries at infinite width, as functions of the angle between rows: from duals to tables.

`recursion` goes from layer to layer by the maps of `layer_maps`, `piecewise` fits what comes out,
`cosine_table` and `separable_table` make of it what the kernels evaluate, and `conditioning` says
how far it is off. It imports `network`, `devices` and what is below them. Start with `entries`.
"""
