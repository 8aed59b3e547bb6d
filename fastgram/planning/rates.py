"""The rates of this machine: measured in a few seconds, and kept for the next plan."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass

from fastgram.eigenvalues.methods.costs import Rates
from fastgram.kernels.cpu import llvm_vectors
from fastgram.planning import measurements
from fastgram.planning.matrix import PlannedMatrix
from fastgram.planning.rate_file import RateFile
from fastgram.support.threads import one_blas_thread, thread_count

__all__ = ["MeasuredRates", "rates_of"]

_MOST_COLUMNS = 256
# The rates that are measured, and kept, together.
_OF_MACHINE = ("factorisation", "eigenvalues", "disk_write", "disk_read")
_OF_VECTORS = ("orthogonal", "triangles", "looks", "stored")
_OF_ENTRIES = ("entries", "tiles", "memory", "factors")


@dataclass(frozen=True)
class MeasuredRates(Rates):
    """Rates, and those of a disk.

    Attributes
    ----------
    disk_write, disk_read : float
        Bytes a second, to the disk and from it.
    stored : float
        Operations of products with a file that the system has in memory.
    looks : float
        Blocks of a run that a look at its brackets goes through a second, at both ends.
    """

    disk_write: float
    disk_read: float
    stored: float
    looks: float


def rates_of(
    matrix: PlannedMatrix, block: int, anew: bool
) -> tuple[MeasuredRates, str, tuple[str, ...]]:
    """Return the rates for products of so many columns, the day they are of, and remarks.

    Parameters
    ----------
    matrix : PlannedMatrix
    block : int
        Of 256 columns and more the rates are those of 256.
    anew : bool
        Whether to measure what is kept too.
    """
    file, block = RateFile.read(), min(block, _MOST_COLUMNS)
    machine, device = _machine(), matrix.device
    where = f"{machine}; {device.label}"
    parts: list[tuple[str | None, tuple[str, ...], Callable[[], dict[str, float]]]] = [
        (machine, _OF_MACHINE, lambda: measurements.of_machine(file.folder)),
        (
            f"{where}; {block} columns",
            _OF_VECTORS,
            lambda: measurements.of_vectors(device, block),
        ),
        (
            _entry_key(matrix, where, block),
            _OF_ENTRIES,
            lambda: measurements.of_entries(matrix, block),
        ),
    ]
    found: dict[str, float] = {}
    days = []
    for key, names, measure in parts:
        kept = None if anew or key is None else file.rates.get(key)
        if kept is None or not {*names, "day"} <= kept.keys():
            kept = {**measure(), "day": float(datetime.date.today().toordinal())}
            if key is not None:
                file.rates[key] = kept
                file.changed = True
        days.append(int(kept["day"]))
        found |= kept
    day = datetime.date.fromordinal(min(days)).isoformat()
    remarks = tuple(filter(None, (file.remark, file.write())))
    names = (*_OF_MACHINE, *_OF_VECTORS, *_OF_ENTRIES)
    return MeasuredRates(**{name: found[name] for name in names}), day, remarks


def _entry_key(matrix: PlannedMatrix, where: str, block: int) -> str | None:
    """Return what the rates of entries are kept by; None where they are of these rows alone."""
    if matrix.entry_class is None:
        return None
    return f"{where}; {matrix.dtype}, d = {matrix.d}; {matrix.entry_class}; {block} columns"


def _machine() -> str:
    """Return the processor, the threads, and what multiplies on them."""
    names = sorted(
        {f"{library.internal_api} {library.version}" for library in one_blas_thread.libraries()}
    )
    parts = [_processor(), f"{thread_count()} threads", llvm_vectors.instructions(), *names]
    return ", ".join(parts)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:  # outside Linux
        pass
    return platform.processor() or platform.machine()
