"""The tile kernels on GPUs: CUDA C++, and what launches it; CuPy is not imported here.

Start with `launch`, then `tile.cuh`.
"""
