"""RateFile: measured rates in the user's cache folder, as JSON.

A file that is damaged, or of another version of fastgram, is measured anew, and a folder that
cannot be written to keeps nothing; both are said.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastgram

__all__ = ["RateFile"]

_NAME = "rates.json"


@dataclass
class RateFile:
    """What is kept.

    Attributes
    ----------
    folder : Path or None
        None where there is no home.
    rates : dict
        From what they are of to rates by their names.
    remark : str
        Why nothing was taken from a file that is there; empty where there is nothing to say.
    changed : bool
        Whether there is something to write.
    """

    folder: Path | None
    rates: dict[str, dict[str, float]]
    remark: str = ""
    changed: bool = False

    @classmethod
    def read(cls) -> RateFile:
        """Return what is kept, or nothing."""
        folder = _folder()
        if folder is None:
            return cls(None, {})
        path = folder / _NAME
        try:
            return cls(folder, _checked(json.loads(path.read_text("utf-8"))))
        except FileNotFoundError:
            return cls(folder, {})
        except _OtherVersion as error:
            why = str(error)
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        except (ValueError, RecursionError):  # no JSON, no UTF-8, or not what is written here
            why = "is damaged"
        return cls(folder, {}, f"{path} {why}: its rates are measured anew")

    def write(self) -> str:
        """Keep the rates if they have changed; return what was in the way, in words, or ""."""
        if not self.changed:
            return ""
        if self.folder is None:
            return "there is no home folder to keep the measured rates in"
        path = self.folder / _NAME
        part = path.with_name(f".{_NAME}.{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            content = {"fastgram": fastgram.__version__, "rates": self.rates}
            try:
                part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            return f"the measured rates cannot be kept in {path}: {error.strerror}"
        return ""


class _OtherVersion(ValueError):
    """Raised for a file that another version of fastgram wrote."""


def _folder() -> Path | None:
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # what else it is, is to be ignored, as its specification says
        return Path(given) / "fastgram"
    try:
        return Path.home() / ".cache" / "fastgram"
    except RuntimeError:
        return None


def _checked(content: Any) -> dict[str, dict[str, float]]:
    """Return the rates of a file's content.

    Raises
    ------
    ValueError
        If it is not what `RateFile.write` writes.
    """
    if not isinstance(content, dict) or not isinstance(content.get("rates"), dict):
        raise ValueError
    if content.get("fastgram") != fastgram.__version__:
        raise _OtherVersion(f"is of fastgram {content.get('fastgram')}")
    rates: dict[str, dict[str, float]] = content["rates"]
    for part in rates.values():
        values = list(part.values()) if isinstance(part, dict) else [None]
        if not all(type(value) in (int, float) and 0.0 < value < math.inf for value in values):
            raise ValueError
    return rates
