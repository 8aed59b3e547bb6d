"""Measurements, their machine and versions: one JSON file a run."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import fastgram
from bench.commit import ROOT, commit
from fastgram.support.threads import one_blas_thread, thread_count

RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Figure:
    """One number that was measured, a median as a rule, with its spread.

    Attributes
    ----------
    case : str
        What was run: "pass n=16384 d=100 float64 b=1 relu threads=2".
    what : str
        What of it, or against what: "/ GEMM of the tiles".
    value, least, largest : float
        All equal where there is one run only.
    unit : str
        "ratio", "s", "GiB" and the like.
    note : str
    """

    case: str
    what: str
    value: float
    least: float
    largest: float
    unit: str
    note: str = ""

    @classmethod
    def of(cls, case: str, what: str, runs: Sequence[float], unit: str, note: str = "") -> Figure:
        """Return the median of several runs, and their range."""
        return cls(case, what, median(runs), min(runs), max(runs), unit, note)

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.least:.3g}, {self.largest:.3g}]"


def machine() -> dict[str, str]:
    """Return the processor and its memory, the versions in use, and the commit."""
    return {
        "processor": _processor(),
        "cores usable": str(thread_count()),
        "memory": _memory(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba")},
        "BLAS": _blas(),
        "fastgram": fastgram.__version__,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }


def save(
    name: str,
    figures: Sequence[Figure],
    directory: Path = RESULTS,
    about: Mapping[str, str] | None = None,
) -> Path:
    """Write the figures with what `machine` says, and return where: an own file for each run.

    `about` has further facts of the machine, such as its GPU.
    """
    facts = machine() | dict(about or {})
    short = facts["commit"].removeprefix("files-")[:7]
    stem = f"{name}-{facts['date']}-{short}"
    text = _text(facts, figures)
    directory.mkdir(parents=True, exist_ok=True)
    path, run = directory / f"{stem}.json", 1
    while True:
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
            return path
        except FileExistsError:  # the same commit on the same day, once more
            run += 1
            path = directory / f"{stem}-{run}.json"


def load(path: str | Path) -> tuple[dict[str, str], list[Figure]]:
    """Return the facts of `machine` and the figures of a file that `save` wrote.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no such file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        facts: dict[str, str] = dict(content["machine"])
        return facts, [Figure(**figure) for figure in content["figures"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a file of results: {error!r}") from error


def _text(facts: dict[str, str], figures: Sequence[Figure]) -> str:
    """Return JSON with one fact or figure a line: short, and two runs differ line by line."""

    def dump(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    about = ",\n".join(f"  {dump(name)}: {dump(fact)}" for name, fact in facts.items())
    found = ",\n".join(f"  {dump(dataclasses.asdict(figure))}" for figure in figures)
    return f'{{\n "machine": {{\n{about}\n }},\n "figures": [\n{found}\n ]\n}}\n'


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as stream:
            for line in stream:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return "unknown"
    return f"{size / 2**30:.1f} GiB"


def _blas() -> str:
    """Return name, version and architecture of each BLAS in use: NumPy and SciPy may differ."""
    names = {
        f"{x.internal_api} {x.version} {getattr(x, 'architecture', '')}".strip()
        for x in one_blas_thread.libraries()
    }
    return ", ".join(sorted(names))
