"""The entries at finite width: features of random networks, and products by them.

It imports `network`, `devices` and what is below them. Start with `entries`.
"""
