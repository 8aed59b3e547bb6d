"""Plant faults one at a time and see whether tests notice: ``python -m bench.faults``.

A part is a module of this folder with a list FAULTS: a term of an error bound that is gone or ten
times too small, a count that is 1, a rounding that goes inward, and the tests that should fail.
They are planted in copies of the checkout. Exit code 1 if more than one in twenty is alive, or any
is stale: its text is not, or not once, in its file, or its tests are not there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import queue
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.faults.fault import Fault

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parents[1]
PARTS = sorted(path.stem for path in _HERE.glob("[!_]*.py") if path.stem != "fault")
_LIMIT = 300  # seconds of a fault's tests: one that hangs is caught
_ALIVE = 20  # one in so many may be
# of pytest: the tests passed; some failed, or could not be collected, or gave an internal error
_PASSED, _FAILED = 0, (1, 2, 3)


def faults_of(part: str) -> list[Fault]:
    """Return the list of a part."""
    return list(importlib.import_module(f"bench.faults.{part}").FAULTS)


def copy_tree(target: Path) -> Path:
    """Copy the checkout, with what Numba has compiled and the times by which it knows that."""
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "build", "results")
    return Path(shutil.copytree(ROOT, target / "checkout", symlinks=True, ignore=ignored))


def run_tests(tree: Path, tests: str) -> int:
    """Return pytest's exit status on some tests in a copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    # a module of the same size, changed within the same second, would be read from its bytecode
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *shlex.split(tests)],
            cwd=tree,
            env=environment,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _FAILED[0]
    return done.returncode


def verdict(tree: Path, fault: Fault) -> str:
    """Return "caught", "alive" or "stale"."""
    target = tree / fault.file
    if not target.is_file() or target.read_text(encoding="utf-8").count(fault.text) != 1:
        return "stale"
    shutil.copy2(target, sound := target.with_suffix(".sound"))
    try:
        target.write_text(
            target.read_text(encoding="utf-8").replace(fault.text, fault.fault), encoding="utf-8"
        )
        status = run_tests(tree, fault.tests)
    finally:
        os.replace(sound, target)
    if status == _PASSED:
        return "alive"
    return "caught" if status in _FAILED else "stale"  # no such test


def line_of(fault: Fault) -> str:
    """Return a fault in one line."""
    was, now = (" ".join(text.split()) for text in (fault.text, fault.fault))
    return f"{fault.file}: {was} → {now or 'nothing'}"


def plant(faults: Sequence[Fault], processes: int) -> Counter[str]:
    """Plant each fault, print what became of it, and return how many were caught, alive, stale."""
    with tempfile.TemporaryDirectory() as folder:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(processes):
            trees.put(copy_tree(Path(folder, str(number))))

        @contextmanager
        def lent() -> Iterator[Path]:
            tree = trees.get()
            try:
                yield tree
            finally:
                trees.put(tree)

        def judge(fault: Fault) -> str:
            with lent() as tree:
                return verdict(tree, fault)

        def sound(tests: str) -> int:
            with lent() as tree:
                return run_tests(tree, tests)

        counts: Counter[str] = Counter()
        with ThreadPoolExecutor(processes) as pool:
            all_tests = sorted({fault.tests for fault in faults})
            for tests, status in zip(all_tests, pool.map(sound, all_tests), strict=True):
                if status != _PASSED:
                    print(f"fails without a fault: {tests}", flush=True)
                    counts["unsound"] += 1
            if counts:
                return counts
            for fault, found in zip(faults, pool.map(judge, faults), strict=True):
                counts[found] += 1
                print(f"{found:<7} {line_of(fault)}", flush=True)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 where too many are alive, or any is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="one part only")
    parser.add_argument("--file", default="", help="only faults in files with this in their path")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(arguments)
    parts = [args.part] if args.part else PARTS
    faults = [fault for part in parts for fault in faults_of(part) if args.file in fault.file]
    counts = plant(faults, args.processes)
    print(", ".join(f"{count} {found}" for found, count in sorted(counts.items())) or "no faults")
    too_many = _ALIVE * counts["alive"] > len(faults)
    return int(too_many or bool(counts["stale"] + counts["unsound"]))


if __name__ == "__main__":
    sys.exit(main())
