"""The Gram matrix itself: written out, or as an operator, a tile at a time.

The only room that knows both widths. `entries` is their one face, `traversal` the one way through
the triangle of tiles. It imports both widths and what is below them. Start with `operator`.
"""
