"""How loops are compiled: one thread a call, the lock released."""

from __future__ import annotations

from typing import Any

import numba

__all__ = ["jit"]


def jit(fastmath: set[str]) -> Any:
    """numba.njit without the lock, cached on disk where there is a place to cache."""

    def decorate(function: Any) -> Any:
        options = {"nogil": True, "fastmath": fastmath, "error_model": "numpy"}
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # a read-only install and no writable cache directory either
            return numba.njit(**options)(function)

    return decorate
