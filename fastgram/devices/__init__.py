"""What computes tiles: the one room that knows a device by name.

A `Device` brings a namespace of arrays, the way there and back, and the compiled kernels. No device
knows of a network. It imports `kernels` and `support`; CuPy is imported in `gpu` alone. Start with
`device`.
"""
