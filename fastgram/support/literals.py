"""The words that arguments and results choose from, as types."""

from __future__ import annotations

from typing import Literal

__all__ = ["AnsweringMethod", "DeviceName", "Kind", "Method", "Readout", "RowScaling"]

Kind = Literal["gradient", "nngp", "ntk"]
Readout = Literal["rademacher", "gaussian"]
DeviceName = Literal["cpu", "gpu", "auto"]
Method = Literal["auto", "dense", "lanczos", "certified", "arpack"]
# What "auto" comes to, and what the others end as.
AnsweringMethod = Literal["dense", "lanczos", "inverse", "certified", "arpack"]
RowScaling = Literal["unit", "raw"]
