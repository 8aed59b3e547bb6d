"""Finite width: placeholder until features are built."""

from __future__ import annotations

from typing import Any

__all__ = ["FiniteEntries"]


class FiniteEntries:
    """Not built yet."""

    @staticmethod
    def of(*args: Any) -> Any:
        """Refuse."""
        raise NotImplementedError("this version builds networks of infinite width")
