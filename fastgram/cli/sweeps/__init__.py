"""What a command computes: all combinations of networks, data and kinds, and their names.

Start with `cases`.
"""
