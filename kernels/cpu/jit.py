"""How loops are compiled: one thread a call, the lock released, kept on disk by their sources.

Of processes that start together on a machine one compiles a loop, and the others wait for it and
read what it has stored.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.serialize import dumps

from fastgram.support.files.lock import one_at_a_time

__all__ = ["jit"]

# Seconds that another process is waited for: several times what a loop takes to compile.
_PATIENCE = 120.0

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
            compiled.compile = compiled._cache.in_turn(compiled.compile)
        return compiled

    return decorate


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's, for which damaged files are as good as none, and so is a disk without room.

    Numba looks at the file of a function alone. What is compiled also comes of the functions that
    it calls, the LLVM generators and the constants of the contract: the index of what is kept is
    good for the sources of all of them, as they were.
    """

    _warned = False

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._turn = contextlib.ExitStack()  # holds the lock from a miss to what is compiled then
        self._impl = _Sealed(self._impl)  # type: ignore[has-type]
        self._cache_file = IndexDataCacheFile(
            cache_path=self.cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(self._impl.locator.get_source_stamp(), _sources_digest()),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is stored, or None: then it is this process's turn to compile."""
        found = self._load(sig, target_context)
        if found is None and self._enter_turn():
            found = self._load(sig, target_context)  # another process may have had its turn
        return found

    def in_turn(self, compile_overload: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a dispatcher's way to compile, at whose end the turn is over."""

        def compile_in_turn(sig: Any) -> Any:
            with self._turn:
                return compile_overload(sig)

        return compile_in_turn

    def _enter_turn(self) -> bool:
        """Wait until no other process compiles this function; return False where it cannot."""
        try:
            self._impl.locator.ensure_cache_path()
            place = Path(self.cache_path, f"{self._impl.filename_base}.lock")
            self._turn.enter_context(one_at_a_time(place, _PATIENCE))
        except OSError:  # nothing can be written there, no locks, or a process that stands still
            return False
        return True

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # what reading other bytes as a pickle ends in may be anything
            self._warn("cannot be read", "it is compiled again", error)
        with contextlib.suppress(OSError):
            self.flush()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code, if that can be done."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self._warn("cannot be written", "it will be compiled again", error)

    def _warn(self, what: str, then: str, error: Exception) -> None:
        if _Cache._warned:
            return
        _Cache._warned = True
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        warnings.warn(
            f"compiled code in {self.cache_path} {what} ({reason}): {then}",
            RuntimeWarning,
            stacklevel=2,
        )


@functools.cache
def _sources_digest() -> str:
    """Return a hash of all sources that compiled code may come of; about a millisecond."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (here.parent / "contract.py", *sorted(here.rglob("*.py"))):
        with contextlib.suppress(OSError):  # a frozen program has none, and no change in them
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


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
