"""Two files of results side by side: what became faster, and by more than noise.

    python -m bench.compare OLD.json NEW.json

A figure is marked where the spreads of the two do not overlap.
"""

from __future__ import annotations

import argparse
import sys

from bench.results import Figure, load

Key = tuple[str, str, str]  # case, what, unit
APART = "*"


def _by_key(path: str) -> tuple[dict[str, str], dict[Key, Figure]]:
    facts, figures = load(path)
    return facts, {(figure.case, figure.what, figure.unit): figure for figure in figures}


def apart(old: Figure, new: Figure) -> bool:
    """Whether the spreads do not overlap."""
    return old.largest < new.least or new.largest < old.least


def table(old: dict[Key, Figure], new: dict[Key, Figure]) -> list[str]:
    """Return the lines of the table of the figures that both have."""
    rows = [("case", "what", "old", "new", "new/old", "")]
    for key in old:
        if key in new:
            a, b = old[key], new[key]
            ratio = f"{b.value / a.value:.3f}" if a.value else ""
            mark = APART if apart(a, b) else ""
            rows.append((a.case, f"{a.what}, {a.unit}", str(a), str(b), ratio, mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return lines if len(rows) > 1 else ["no figure is in both"]


def differences(old: dict[str, str], new: dict[str, str]) -> str:
    """Return in a line what differs in machine and versions, or nothing."""
    ours = [name for name in {**old, **new} if name not in ("commit", "date")]
    return "; ".join(
        f"{name} {old.get(name, 'unknown')} → {new.get(name, 'unknown')}"
        for name in ours
        if old.get(name) != new.get(name)
    )


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and print the comparison; the exit code is 2 for a bad file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", metavar="OLD.json")
    parser.add_argument("new", metavar="NEW.json")
    paths = parser.parse_args(arguments)
    try:
        (old_facts, old), (new_facts, new) = _by_key(paths.old), _by_key(paths.new)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, facts in (("old", old_facts), ("new", new_facts)):
        print(f"{name}: commit {facts.get('commit', 'unknown')}, {facts.get('date', 'unknown')}")
    if differing := differences(old_facts, new_facts):
        print(f"machine or versions differ: {differing}")
    print("\n".join(table(old, new)))
    if any(key in new and apart(figure, new[key]) for key, figure in old.items()):
        print(f"{APART} the spreads do not overlap")
    for name, own, other in (("OLD", old, new), ("NEW", new, old)):
        for key, figure in own.items():
            if key not in other:
                print(f"only in {name}: {figure.case}: {figure.what}, {figure.unit}: {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
