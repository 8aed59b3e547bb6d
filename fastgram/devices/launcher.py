"""Kernels of the CUDA source, compiled and launched by CuPy."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from fastgram.kernels.cuda.launch import FUSED_KERNELS, OPTIONS, source

__all__ = ["Launcher"]

# Shared memory that every kernel may take without asking.
_SHARED_AT_LEAST = 48 * 1024


class Launcher:
    """Launches kernels by name on one GPU; NVRTC compiles them when they are first asked for."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._lock = threading.Lock()
        self._modules: dict[tuple[str, ...], Any] = {}
        self._kernels: dict[str, Any] = {}
        self._shared: dict[str, int] = {}  # what each may take of shared memory

    def _compiled(self, name: str) -> Any:
        """Return a kernel: each fused product is a source of its own, all others are one."""
        fused = (name,) if name in FUSED_KERNELS else ()
        if fused not in self._modules:
            text = source(fused or None)
            self._modules[fused] = self._cupy.RawModule(code=text, options=OPTIONS)
        return self._modules[fused].get_function(name)

    def __call__(
        self, name: str, grid: int, block: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Launch one, as `fastgram.kernels.cuda.launch` says."""
        with self._lock:
            if name not in self._kernels:
                self._kernels[name] = self._compiled(name)
            kernel = self._kernels[name]
            if shared > self._shared.get(name, _SHARED_AT_LEAST):
                kernel.max_dynamic_shared_size_bytes = self._shared[name] = shared
        kernel((grid,), (block,), tuple(arguments), shared_mem=shared)
