"""The command line, on typer and rich, which are imported here alone.

It imports whatever it shows. Start with `app`.
"""
