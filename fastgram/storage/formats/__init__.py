"""Kinds of files: where the blocks of a matrix are in each, and how they get there and back.

`layout` is the Protocol of all and the table of endings, `grid` the blocks, `block_io` their bytes.
Start with `layout`.
"""
