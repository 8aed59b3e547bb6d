"""The basis of a Lanczos run: on a device, in host memory, or dealt to the workers of a cluster.

Start with `krylov_basis`.
"""
