"""Help beyond --help: topics, taken from the docstrings, and what a shell completes.

It imports whatever it shows. Start with `topics`.
"""
