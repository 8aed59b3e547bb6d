"""Help beyond --help: topics, taken from the docstrings, completion in shells, reports of bugs.

It imports whatever it shows. Start with `topics`.
"""
