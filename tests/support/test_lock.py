"""Locks that processes wait for: held by one, and by nobody once that is dead."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from helpers.nursery import ROOT

from fastgram.support.files.lock import one_at_a_time

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")

HOLDER = """
import sys, time
from pathlib import Path
from fastgram.support.files.lock import one_at_a_time
with one_at_a_time(Path(sys.argv[1]), 0.0):
    print("held", flush=True)
    time.sleep(600.0)
"""


def test_it_is_given_back(tmp_path):
    for _ in range(2):
        with one_at_a_time(tmp_path / "lock", 0.0):
            pass


def test_a_killed_process_holds_none(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), one_at_a_time(path, 0.05):
            pass
        holder.send_signal(signal.SIGKILL)
        with one_at_a_time(path, 60.0):
            pass
