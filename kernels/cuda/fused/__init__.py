"""Fused kernels: cosines by tensor cores, the table, and products with V or the matrix itself."""
