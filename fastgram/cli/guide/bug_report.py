"""What a bug report needs to know of a machine, and nothing that tells whose it is.

Whatever cannot be found out is said in its line: a report is asked for where something is broken.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastgram

__all__ = ["report_lines"]

_LIBRARIES = (
    *("numpy", "scipy", "numba", "llvmlite", "threadpoolctl"),
    *("typer", "rich", "tqdm", "matplotlib", "python-flint", "h5py", "zarr", "dask", "distributed"),
    *("scikit-learn", "pandas", "polars", "xarray", "jax", "torch", "ipykernel", "ipywidgets"),
    *("cupy-cuda12x", "cupy-cuda13x"),
)
_VARIABLES = re.compile(r"(FASTGRAM|NUMBA|OMP|OPENBLAS|GOTO|BLIS|MKL|KMP|VECLIB|CUDA|CUPY|XDG)_")
_PLAIN = re.compile(r"[\w.,:+-]{0,40}")
_PATH = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?[/\\][^\s,;:()'\"]+")


def report_lines() -> Iterator[str]:
    """Yield the lines of a report, each a fact with its name."""
    facts: dict[str, Callable[[], str]] = {
        "fastgram": _installation,
        "python": lambda: f"{platform.python_implementation()} {platform.python_version()}",
        "system": lambda: f"{platform.platform()}{' in a virtual environment' * _is_virtual()}",
        "processor": _processor,
        "vectors": _vectors,
        "NumPy's SIMD": _simd,
        "BLAS": _blas,
        "threads": _threads,
        "memory free": _memory,
        "devices": _devices,
        "compiled code": _compiled_code,
        "environment": _environment,
        "libraries": _libraries,
    }
    for name, told in facts.items():
        try:
            text = told()
        except Exception as error:
            text = f"not found out: {type(error).__name__}: {error}"
        yield f"{name:<14} {_PATH.sub('(a path)', ' '.join(text.split()))}"


def _is_virtual() -> bool:
    return sys.prefix != sys.base_prefix


def _installation() -> str:
    try:
        found = importlib.metadata.distribution("fastgram")
    except importlib.metadata.PackageNotFoundError:
        return f"{fastgram.__version__}, not installed"
    how = "editable" if '"editable": true' in (found.read_text("direct_url.json") or "") else ""
    other = "" if found.version == fastgram.__version__ else f"metadata of {found.version}"
    return ", ".join(filter(None, (fastgram.__version__, how, other)))


def _processor() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(named, name)}, {os.cpu_count()} logical"


def _vectors() -> str:
    from fastgram.kernels.cpu import llvm_vectors

    return llvm_vectors.instructions()


def _simd() -> str:
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    return ", ".join(found["SIMD Extensions"]["found"]) or "none beyond its baseline"


def _blas() -> str:
    import scipy.linalg  # noqa: F401  # so that its BLAS is loaded
    from threadpoolctl import threadpool_info

    return "; ".join(
        " ".join(
            str(facts[key])
            for key in ("internal_api", "version", "architecture", "threading_layer")
            if facts.get(key)
        )
        + f" with {facts['num_threads']} threads"
        for facts in threadpool_info()
    )


def _threads() -> str:
    from fastgram.support.threads import thread_limit

    limit = thread_limit()
    return f"{limit.value} ({limit.source})"


def _memory() -> str:
    from fastgram.support.memory import memory_limit

    limit = memory_limit()
    return f"{limit.value / 2**30:.3g} GiB ({limit.source})"


def _devices() -> str:
    from fastgram.devices import cpu, registry

    found, reason = registry.gpus()
    if not found:
        return f"cpu; no GPU: {reason}"
    runtime = getattr(found[0], "xp").cuda.runtime  # noqa: B009  # a Device need not have it
    versions = f"CUDA {runtime.runtimeGetVersion()}, driver {runtime.driverGetVersion()}"
    return f"{', '.join(device.label for device in (cpu.CPU, *found))}; {versions}"


def _compiled_code() -> str:
    from fastgram.kernels.cpu.transpose import mirror  # one of them all, which lie in one folder

    place = Path(mirror.stats.cache_path)
    files = list(place.glob("*.nb[ci]")) if place.is_dir() else []
    package = Path(fastgram.__file__).resolve().parent
    where = "in a folder of the user's"
    if os.environ.get("NUMBA_CACHE_DIR"):
        where = "in NUMBA_CACHE_DIR"
    elif place.name == "__pycache__" and package.parent in place.resolve().parents:
        where = "beside the package"
    size = sum(file.stat().st_size for file in files) / 2**20
    return f"{where}: {len(files)} files, {size:.1f} MiB"


def _environment() -> str:
    """Return the variables that change what is computed with; a path or a list only as set."""
    found = {name: value for name, value in os.environ.items() if _VARIABLES.match(name)}
    told = (
        f"{name}={value}" if _PLAIN.fullmatch(value) else f"{name} is set"
        for name, value in sorted(found.items())
    )
    return ", ".join(told) or "nothing set"


def _libraries() -> str:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
