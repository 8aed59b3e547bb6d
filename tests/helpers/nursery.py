"""Processes to be killed: one that has imported everything forks a child for each line told."""

import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import fastgram as fg

ROOT = Path(fg.__file__).parent.parent

# What comes before it defines `work`, a function of the words of a line.
_FORKING = """
import os, sys
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            work(*line.split())
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Child:
    """Work that is done in a process of its own."""

    def __init__(self, nursery, *words):
        self._nursery = nursery
        print(*words, file=nursery.stdin, flush=True)
        self._pid = int(nursery.stdout.readline())

    def send(self, number):
        os.kill(self._pid, number)

    def is_over(self):
        return bool(select.select([self._nursery.stdout], [], [], 0.0)[0])

    def status(self):
        return int(self._nursery.stdout.readline())


@contextmanager
def nurseries(script, told):
    """Yield a function that starts a nursery; what its children say of errors goes into a file."""
    children = []
    with open(told, "a") as errors:

        def begin():
            child = subprocess.Popen(
                [sys.executable, "-c", script + _FORKING],
                # without threads of BLAS: a process with threads is not to be forked
                env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            children.append(child)
            return child

        yield begin
        for child in children:
            child.stdin.close()
            child.wait(timeout=120)
            child.stdout.close()


def wait_for(condition, child):
    """Wait until a condition holds, or the child is over."""
    end = time.monotonic() + 120
    while not condition() and not child.is_over():
        assert time.monotonic() < end
        time.sleep(0.001)
