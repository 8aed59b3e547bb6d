"""How loops are compiled: one thread a call, the lock released, kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import warnings
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

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

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._impl = _Sealed(self._impl)  # type: ignore[has-type]

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


class _Sealed:
    """How compiled code is stored, with a checksum: what a bad disk changed would run."""

    def __init__(self, plain: Any) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def reduce(self, code: Any) -> tuple[bytes, bytes]:
        """Return what is stored of compiled code."""
        content = dumps(self._plain.reduce(code))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, stored: Any) -> Any:
        """Return compiled code from what was stored; None where it was by an older fastgram."""
        if len(stored) != 2 or not all(isinstance(part, bytes) for part in stored):
            return None
        checksum, content = stored
        if hashlib.sha256(content).digest() != checksum:
            raise ValueError("its checksum is wrong")
        return self._plain.rebuild(target_context, pickle.loads(content))
