"""Compiled loops over pairs of rows, whose entries no table holds."""
