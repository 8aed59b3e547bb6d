"""Parts of the study about rows: what data make of the smallest eigenvalue.

One file a part, each with its `PART`.
"""

from __future__ import annotations

import importlib

from fastgram.study.part import Part

__all__ = ["load"]


def load(name: str) -> Part:
    """Return the part of a file of this folder."""
    part: Part = importlib.import_module(f"{__name__}.{name}").PART
    return part
