"""Benchmarks: see bench/README.md for the commands."""
