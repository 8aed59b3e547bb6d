"""Tables of functions of the angle, as kernels take them, and polynomials of the cosine for GPUs.

`cosine_table` cuts a profile into pieces and puts the table together; `cells` fits all cells of a
piece at a time.
"""
