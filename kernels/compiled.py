"""How loops are compiled: one thread a call, the lock released, kept on disk."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

import numba
from numba.core.caching import FunctionCache

__all__ = ["jit"]

if numba.config.DISABLE_JIT:
    raise ImportError(
        "fastgram's loops are written for Numba's compiler, and NUMBA_DISABLE_JIT turns it off:"
        " unset it (fastgram.kernels.reference has the same in plain Python)"
    )


def jit(fastmath: set[str]) -> Any:
    """numba.njit without the lock, cached on disk where there is a place to cache."""

    def decorate(function: Any) -> Any:
        compiled = numba.njit(nogil=True, fastmath=fastmath, error_model="numpy")(function)
        # there may be a read-only install and no writable cache directory either
        with contextlib.suppress(RuntimeError):
            compiled._cache = _Cache(function)
        return compiled

    return decorate


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's, for which damaged files are as good as none, and so is a disk without room."""

    _said = False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is stored, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # what reading other bytes as a pickle ends in may be anything
            self._say("cannot be read", "it is compiled again", error)
        with contextlib.suppress(OSError):
            self.flush()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code, if that can be done."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self._say("cannot be written", "it will be compiled again", error)

    def _say(self, what: str, then: str, error: Exception) -> None:
        if _Cache._said:
            return
        _Cache._said = True
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        warnings.warn(
            f"compiled code in {self.cache_path} {what} ({reason}): {then}",
            RuntimeWarning,
            stacklevel=2,
        )
