"""A matrix divided over the workers of a cluster: what each of them does, and what becomes of it.

`bands` divides, `tasks` is what runs on a worker, `strips` a band of a product by tiles;
`on_workers` and `products` are the entries and the products as the rest of the house knows them.
Nothing here imports Dask: a device's `pool` runs the tasks. Start with `products`.
"""
