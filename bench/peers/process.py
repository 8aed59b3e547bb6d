"""A peer in a process of its own, which computes when it is told to.

The process first writes one line of JSON with its answer, for it to be checked. Then each line on
its standard input starts one run, at the end of which it writes {"seconds": ..}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Failed", "Peer", "serve"]

ROOT = Path(__file__).resolve().parents[2]
# beyond the limit of a run: imports, compilation and whatever is prepared before the first one
START = 120.0


class Failed(Exception):
    """The process ended without an answer; the message is the end of its standard error."""


class Peer:
    """A process that `command` starts; `cap` is the seconds that it gets for a run."""

    def __init__(self, command: Sequence[str], cap: float) -> None:
        self._cap = cap
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in __exit__
        free = {key: value for key, value in os.environ.items() if "_NUM_THREADS" not in key}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            text=True, cwd=ROOT, env=free,
        )  # fmt: skip

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def answer(self) -> dict[str, Any]:
        """Return the first reply of the process, before it waits for its first run."""
        return self._line(START + self._cap)

    def run(self) -> None:
        """Let the process compute, and wait for it."""
        assert self._process.stdin is not None
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._failed() from None
        self._line(self._cap)

    def _line(self, limit: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if late.is_set():
            raise TimeoutError
        if not line:
            raise self._failed()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _failed(self) -> Failed:
        self._process.kill()  # in case that it has only stopped to speak
        self._process.wait()
        self._errors.seek(0)
        return Failed("".join(self._errors.readlines()[-5:]).strip())


def serve(prepare: Callable[[], tuple[Any, Callable[[], Any]]]) -> None:
    """Be such a process: `prepare` returns the answer to be checked and what a run calls."""
    # a library that prints must not print between our lines: its lines go to standard error
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    answer, run = prepare()
    print(json.dumps({"answer": answer}), file=channel, flush=True)
    while sys.stdin.readline():
        start = time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - start}), file=channel, flush=True)
