"""The parts of the study, in their order, each loaded when it is asked for."""

from __future__ import annotations

from fastgram.study import networks, rows
from fastgram.study.part import Part
from fastgram.support.validation import as_choice

__all__ = ["load_part", "part_names"]

# The parts and the folders that they are in.
_HOMES = {
    "separation": rows,
    "circle": rows,
    "analytic": rows,
    "dimension": rows,
    "smoothed": rows,
    "high_dimension": rows,
    "polynomial": rows,
    "depth": networks,
    "width": networks,
    "training": networks,
    "harmonics": networks,
    "real_data": rows,
}


def part_names() -> tuple[str, ...]:
    """Return the names of the parts, in the order in which the study has them.

    Examples
    --------
    >>> import fastgram as fg
    >>> "circle" in fg.study.part_names()
    True
    """
    return tuple(_HOMES)


def load_part(name: str) -> Part:
    """Return a part by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    name = as_choice("part", name, part_names())
    part: Part = _HOMES[name].load(name)
    return part
