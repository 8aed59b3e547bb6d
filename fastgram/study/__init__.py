"""The study: every claim of the paper, measured with brackets, one part a claim.

``fastgram.study.run("circle")`` computes a part; the command ``fastgram study`` runs all of them
and writes tables, figures and an index. The room may import all but the command line. Start with
`part`, which says what a part is; `catalogue` lists them, and `rows/` and `networks/` have them,
one file each. `table` is what is on disk, `run` goes from case to case.
"""

from fastgram.study.catalogue import part_names

__all__ = ["part_names"]
