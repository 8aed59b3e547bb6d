"""The commit that is measured; where there is no git, a number of the files that tells it.

``python -m bench.commit NUMBER`` prints the commit, of all that the repository has, of such a
number.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["commit", "commit_of", "number_of_files"]

ROOT = Path(__file__).resolve().parent.parent
# What is measured; results beside it are no change.
_FOLDERS, _ENDINGS = ("fastgram", "kernels", "bench"), (".py", ".cuh")
_PREFIX, _DIGITS = "files-", 12


def commit() -> str:
    """Return the commit, with "+changes" where what is measured is not what was committed.

    Without git, `number_of_files`.
    """
    try:
        name = _git("rev-parse", "HEAD").strip()
        changes = _git("status", "--porcelain", "--", *_FOLDERS, ":!*.json")
    except (OSError, subprocess.SubprocessError):
        return number_of_files()
    return name + ("+changes" if changes.strip() else "")


def number_of_files(root: Path = ROOT) -> str:
    """Return "files-…", a number of the contents and the places of all files that are measured."""
    found = []
    for folder in _FOLDERS:
        for path in (root / folder).rglob("*"):
            # fastgram/kernels is a link to kernels
            inside = path.relative_to(root)
            if path.suffix in _ENDINGS and inside.parts[:2] != ("fastgram", "kernels"):
                data = path.read_bytes()
                name = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # as git does
                found.append((inside.as_posix(), name))
    return _number(found)


def commit_of(number: str) -> str | None:
    """Return the newest commit of HEAD's history whose files have the number, or None."""
    for name in _git("rev-list", "HEAD").split():
        found = []
        for line in _git("ls-tree", "-r", "-z", name, "--", *_FOLDERS).split("\0")[:-1]:
            facts, path = line.split("\t")
            if Path(path).suffix in _ENDINGS:
                found.append((path, facts.split()[2]))
        if _number(found) == number:
            return name
    return None


def _number(files: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"{path} {name}\n" for path, name in sorted(files))
    return _PREFIX + hashlib.sha1(lines.encode()).hexdigest()[:_DIGITS]


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60.0
    )
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.commit NUMBER")
    print(commit_of(sys.argv[1]) or f"no commit of HEAD's history has the files {sys.argv[1]}")
