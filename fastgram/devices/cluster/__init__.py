"""The workers of a Dask cluster as a device: the one place that imports `distributed`.

Vectors stay with the client, in NumPy's arrays. What a matrix is made of is sent to every worker
once; a product or a block of entries is a function of it, run on workers as tasks. This room knows
no matrix: what the tasks do is in `fastgram.matrix.divided`. Start with `device`, then `pool`.
"""
