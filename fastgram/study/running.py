"""A part's cases one after the other: what is there is not computed again, no row is lost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

from fastgram.study.catalogue import load_part
from fastgram.study.part import Case, Part, Row, Size
from fastgram.study.result import StudyResult
from fastgram.study.settings import Settings
from fastgram.study.table import Table
from fastgram.support.files.lock import only_writer
from fastgram.support.literals import DaskClient
from fastgram.support.progress import progress_bar
from fastgram.support.validation import as_choice, as_flag, as_integer

__all__ = ["SIZES", "run", "run_part"]

SIZES: tuple[Size, ...] = get_args(Size)
# What ends one case and not the part: a matrix that cannot be or is too large, or a library that
# is missing.
_FAILURES = (ValueError, TypeError, NotImplementedError, MemoryError, ImportError)
# Rows of a matrix that takes no less time than smaller ones: what is the same for all of them.
_SMALL = 500


def run(
    part: str,
    *,
    out: str | Path | None = None,
    size: Size = "default",
    seeds: int = 5,
    device: str | DaskClient = "cpu",
    progress: bool = False,
) -> StudyResult:
    """Compute a part of the study and judge its claim.

    Parameters
    ----------
    part : str
        One of `part_names`.
    out : str or Path, optional
        A folder, which is made where there is none: the part's table (.csv, a row as it ends),
        verdicts (.json) and figure (.png and .svg), and an ``index.html`` of all the parts that
        are there. Rows that are in the table are not computed again. None writes nothing.
    size : {"quick", "default", "full"}
        A minute, ten minutes, or a night for all the parts together, on two cores.
    seeds : int
        Draws of the rows or weights, where a part draws any.
    device : {"cpu", "gpu", "auto"} or distributed.Client
    progress : bool
        Whether to show a bar, with the time left, on standard error.

    Returns
    -------
    StudyResult

    Raises
    ------
    ValueError, TypeError
        If an argument is not one of these, or a table in `out` is not of this part.
    ImportError
        If matplotlib is missing and `out` given; what a single case needs and is missing fails
        that case alone.
    OSError
        If `out` cannot be written.
    KeyboardInterrupt
        If the user interrupts: the rows that were computed are in `out`, and the same call goes on.

    Examples
    --------
    >>> import fastgram as fg
    >>> result = fg.study.run("circle", size="quick")  # doctest: +SKIP
    >>> print(result)  # doctest: +SKIP
    """
    chosen = load_part(part)
    settings = _settings_of(device)
    size, seeds = as_choice("size", size, SIZES), as_integer("seeds", seeds, 1)
    show = as_flag("progress", progress)
    return run_part(chosen, size, seeds, settings, None if out is None else Path(out), show)


def run_part(
    part: Part,
    size: Size,
    seeds: int,
    settings: Settings,
    folder: Path | None,
    progress: bool,
    tell: Callable[[str], None] | None = None,
) -> StudyResult:
    """Compute a part that is at hand; `tell` is called with what the user should know."""
    from fastgram.study.report import check_report, write_report

    if folder is not None:
        check_report()
    with nullcontext() if folder is None else only_writer(folder, folder=True):
        table = None if folder is None else Table(part, folder / f"{part.name}.csv")
        if tell is not None and table is not None and table.told:
            tell(table.told)
        rows = _rows(part, part.cases(size, seeds), settings, table, progress)
        done = [row for row in rows if not row.error]
        verdicts = part.verdicts(done) if done else []
        seen = part.seen(done, verdicts) if done else "No case has a result."
        failures = [row for row in rows if row.error]
        result = StudyResult(part, size, seeds, done, failures, verdicts, seen)
        if folder is not None:
            write_report(folder, result)
    return result


def _settings_of(device: str | DaskClient) -> Settings:
    from fastgram.devices import registry

    registry.as_devices(device)  # refuses what is none
    return Settings(device=device) if isinstance(device, str) else Settings(cluster=device)


def _rows(
    part: Part, cases: Sequence[Case], settings: Settings, table: Table | None, progress: bool
) -> list[Row]:
    """Return a row of each case, those that are there and those that are computed now."""
    known: dict[Any, Row] = {} if table is None else table.rows
    left = [case for case in cases if case.key not in known]
    found = {case.key: known[case.key] for case in cases if case.key in known}
    total = sum(map(_work, left))
    with progress_bar(progress and bool(left), total, part.name, "entry") as tick:
        for done, case in enumerate(left):
            try:
                row = _row(part, case, settings)
            except KeyboardInterrupt:
                kept = "" if table is None else "; the rows that are done are kept"
                message = f"{part.name}: interrupted with {len(left) - done} of {len(cases)} left"
                raise KeyboardInterrupt(message + kept) from None
            found[case.key] = row
            if table is not None:
                table.append(row)
            if tick is not None:
                tick(_work(case))
    return [found[case.key] for case in cases]


def _work(case: Case) -> int:
    """Return how much of the bar a case is: its entries, so that the time left is about right."""
    return max(case.n, _SMALL) ** 2


def _row(part: Part, case: Case, settings: Settings) -> Row:
    """Return the row of a case, or one that says why there is none."""
    start = time.perf_counter()
    try:
        return part.compute(case, settings)
    except _FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        seconds = time.perf_counter() - start
        return Row(case, -math.inf, math.inf, "none", False, seconds, {}, reason)
