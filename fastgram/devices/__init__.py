"""Devices, the CPU and GPUs, which compute tiles: the one room that knows a device by name.

A `Device` brings a namespace of arrays, the way there and back, the compiled kernels, and whatever
its library of arrays does its own way; no code elsewhere asks which device it is. No device knows
of a network. It imports `kernels` and `support`; CuPy is imported in `gpu` alone. Start with
`device`, the Protocol; a new device is a class beside `cpu` and `gpu` and a line in `registry`.
"""
