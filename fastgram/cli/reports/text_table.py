"""Tables on a terminal of any width, or piped."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from fastgram.bracket import Bracket, telling_digits
from fastgram.cli.reports.report import Failure
from fastgram.cli.sweeps.cases import Case, case_name, told_quantities, value_text

__all__ = [
    "bracket_text",
    "failed_cells",
    "failure_words",
    "house_table",
    "print_results",
    "short_bracket_text",
    "text_console",
]

# A file or another program has no width: nothing is folded.
_PIPED_WIDTH = 5000


def text_console() -> Console:
    """Return a console on standard output that takes text as it is: no markup, no emoji."""
    piped = not sys.stdout.isatty()
    return Console(
        width=_PIPED_WIDTH if piped else None,
        color_system=None if piped else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def house_table(leading: int = 0, show_header: bool = True) -> Table:
    """Return an empty table of the one style that there is."""
    return Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        show_edge=False,
        leading=leading,
        show_header=show_header,
    )


def print_results(
    console: Console,
    cases: Sequence[Case],
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    marks: Sequence[str],
    right: int,
) -> None:
    """Print a row a case, or, where the terminal is too narrow for that, a line a number.

    Parameters
    ----------
    console : Console
    cases : sequence of Case
        All of them; `rows` may be the fewer.
    headers, rows : sequences of str
        Of numbers in words; what tells the cases apart is added.
    marks : sequence of str
        To be added to an activation's name, one a row.
    right : int
        How many of the last columns are aligned to the right.
    """
    table = house_table()
    told = told_quantities(cases)
    table.add_column("activation", overflow="fold")
    for quantity in told:
        table.add_column(quantity.name, justify="right" if quantity.axis else "left", no_wrap=True)
    for k, header in enumerate(headers):
        at_right = k >= len(headers) - right
        table.add_column(header, justify="right" if at_right else "left", no_wrap=True)
    for k, (row, mark) in enumerate(zip(rows, marks, strict=True)):
        known = [value_text(quantity.value(cases[k])) for quantity in told]
        table.add_row(cases[k].network.activation.name + mark, *known, *row)
    unbounded = console.options.update(max_width=_PIPED_WIDTH)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = _long_table(cases, headers, rows, marks)
    console.print(table)


def _long_table(
    cases: Sequence[Case],
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    marks: Sequence[str],
) -> Table:
    """Return a table of a line a number."""
    table = house_table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for case, row, mark in zip(cases, rows, marks, strict=False):
        names = [case_name(case, cases) + mark] + [""] * (len(headers) - 1)
        for cells in zip(names, headers, row, strict=True):
            table.add_row(*cells)
        table.add_section()
    return table


# --- failures in words -------------------------------------------------------------------------


def failed_cells(headers: Sequence[str]) -> list[str]:
    """Return the row of a network that has no result: one word in the first column."""
    return ["failed", *[""] * (len(headers) - 1)]


def failure_words(failure: Failure) -> str:
    """Return the note below the table on a network that failed."""
    return f"failed: {failure.reason}"


# --- brackets in words -------------------------------------------------------------------------


def bracket_text(bracket: Bracket) -> str:
    """Return the estimate and both ends: "0.0135 [0.0134, 0.0136]"."""
    if bracket.guarantee == "exact":
        return f"{bracket.estimate:.10g} (exact)"
    digits = telling_digits(bracket)
    if f"{bracket.lower:.{digits}g}" == f"{bracket.upper:.{digits}g}":
        digits = 6  # no number of digits that is worth reading tells the ends apart
    return f"{bracket.estimate:.{digits}g} [{bracket.lower:.{digits}g}, {bracket.upper:.{digits}g}]"


def short_bracket_text(bracket: Bracket) -> str:
    """Return the same, or one number where six digits of it are sure."""
    short = {f"{end:.6g}" for end in (bracket.lower, bracket.estimate, bracket.upper)}
    if bracket.guarantee != "exact" and len(short) == 1:
        return short.pop()  # every digit shown is sure; the bracket itself is in the JSON
    return bracket_text(bracket)
