"""The program of a peer's process: ``python -m bench.peers.child build|product|eigenvalues ...``.

The arguments are those of `prepare` in builds.py, products.py or eigenvalues.py.
"""

from __future__ import annotations

import sys
from typing import Any

from bench.peers import builds, eigenvalues, products
from bench.peers.process import serve


def main() -> None:
    """Serve one peer until its input ends."""
    task, *arguments = sys.argv[1:]
    prepare: Any = {
        "build": builds.prepare,
        "product": products.prepare,
        "eigenvalues": eigenvalues.prepare,
    }[task]
    serve(lambda: prepare(*arguments))


if __name__ == "__main__":
    main()
