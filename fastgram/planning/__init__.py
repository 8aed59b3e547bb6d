"""planning: what each way to a matrix's eigenvalues would take, from rates that were measured.

It may import all but the command line. Start with `plan`: `ways` has the ways, at the costs that
`fastgram.eigenvalues.methods.costs` has for `auto` too; `rates` measures, and `rate_file` keeps.
"""
