"""What computes the tiles: the one place that knows a device by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from fastgram._validation import as_choice

__all__ = ["as_evaluate"]

DEVICES = ("cpu",)


def as_evaluate(device: str) -> Callable[..., None]:
    """Return the tile kernel of a device (the contract of `fastgram.kernels`), loading it now."""
    as_choice("device", device, DEVICES)
    kernel: Any = importlib.import_module(f"fastgram.kernels.{device}")
    evaluate: Callable[..., None] = kernel.evaluate
    return evaluate
