"""Sizes of the tests of stored matrices."""

SIDE = 7
N = 3 * SIDE + 2
BLOCKS = 10  # of the upper triangle: 4 rows and columns of them
ENDINGS = (".npy", ".h5", ".zarr")
