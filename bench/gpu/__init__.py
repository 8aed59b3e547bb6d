"""Builds, checks and times on a GPU: ``python -m bench.gpu``."""
