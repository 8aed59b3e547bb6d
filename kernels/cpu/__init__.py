"""The tile kernels on the CPU, by Numba, which is imported here alone.

An activation, a depth or a kind never comes here. Start with `evaluate`.
"""
