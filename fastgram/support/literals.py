"""The words that arguments and results choose from, as types."""

from __future__ import annotations

from typing import Literal

__all__ = ["DeviceName", "Kind", "Method", "Readout", "RowScaling"]

Kind = Literal["gradient", "nngp", "ntk"]
Readout = Literal["rademacher", "gaussian"]
DeviceName = Literal["cpu", "gpu", "auto"]
Method = Literal["auto", "dense", "lanczos", "certified", "arpack"]
RowScaling = Literal["unit", "raw"]
