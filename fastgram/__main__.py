"""`python -m fastgram` is the command `fastgram`."""

from __future__ import annotations

import sys

from fastgram.cli.command import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
