"""The study: every claim of the paper, measured with brackets, one part a claim.

``fastgram.study.run("circle")`` computes a part; the command ``fastgram study`` runs all of them
and writes tables, figures and an index. The room may import all but the command line. Start with
`part`, which says what a part is; `catalogue` lists them, and `rows/` and `networks/` have them,
one file each. `running` goes from case to case, `table` is what is on disk, `report` and `index`
what is made of it.
"""

from fastgram.study.catalogue import part_names
from fastgram.study.result import StudyResult
from fastgram.study.running import run

__all__ = ["StudyResult", "part_names", "run"]
