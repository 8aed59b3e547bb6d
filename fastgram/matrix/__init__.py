"""The Gram matrix itself: written out, or as an operator, a tile at a time.

The only room that knows both widths. `entries` is the Protocol of both, `traversal` the one way
through the triangle of tiles, `consumers` what is done with a tile, `products` the ways to
multiply, and `computed_matrix` all of these together, behind the operator. It imports both widths
and what is below them. Start with `operator`.
"""
