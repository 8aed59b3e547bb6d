"""The process of the command line: interrupts, warnings and missing parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import typer
from helpers.extremes import GOOD

import fastgram
from fastgram.eigenvalues import extreme

ROOT = Path(fastgram.__file__).parent.parent


def python(*words, **options):
    """Run Python in a process of its own, in the checkout, stopping at warnings as pytest does."""
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        **options,
    )


@pytest.mark.slow
def test_python_m_fastgram():
    done = python("-m", "fastgram", "spectrum", "missing.npy")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "fastgram: error: missing.npy: No such file or directory\n"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_parts_the_command_says_what_to_install(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; import fastgram.__main__ as m; "
    done = python("-c", code + "sys.exit(m.main(['info']))")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "the command line needs: pip install 'fastgram[cli]'\n"


def test_importing_fastgram_loads_no_optional_part():
    code = "import sys, fastgram; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = python("-c", code)
    assert done.returncode == 0
    assert not {"typer", "rich", "matplotlib", "tqdm"} & set(done.stdout.split())


def test_an_interrupt_is_quiet(run, rows, answers):
    answers(GOOD, KeyboardInterrupt())
    status, out, err = run("spectrum", rows, "-a", "relu", "-a", "tanh")
    assert (status, err) == (130, "")
    assert "0.0135 [0.0134, 0.0136]" in out


def test_an_interrupt_that_typer_passes_on_as_abort(run, rows, answers):
    answers(typer.Abort())
    assert run("spectrum", rows, "-a", "relu") == (130, "", "")


def test_an_interrupt_says_what_had_been_reached(run, rows, answers):
    answers(GOOD, KeyboardInterrupt("interrupted after 5 passes;\nλ_min in [1, 2]"))
    status, out, err = run("spectrum", rows, "-a", "relu", "-a", "tanh")
    assert (status, err) == (130, "fastgram: tanh: interrupted after 5 passes; λ_min in [1, 2]\n")
    assert "0.0135 [0.0134, 0.0136]" in out


def test_an_interrupt_before_any_command(run, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(typer.main, "get_command", interrupted)
    assert run("info") == (130, "", "")


@pytest.mark.slow
def test_a_real_interrupt_is_quiet(rows):
    code = (
        "import sys, time\n"
        "from fastgram.eigenvalues import extreme\n"
        "from fastgram.__main__ import main\n"
        "def wait(*args, **kwargs):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(60)\n"
        "extreme.extreme_eigenvalues = wait\n"
        f"sys.exit(main(['spectrum', {rows!r}, '-a', 'relu']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline() == "here\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == ""


def test_a_warning_is_one_line(run, rows, answers, monkeypatch):
    answers()

    def slow(*args, **kwargs):
        warnings.warn("this will\ntake long", RuntimeWarning, stacklevel=2)
        return GOOD

    monkeypatch.setattr(extreme, "extreme_eigenvalues", slow)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        status, _, err = run("spectrum", rows, "-a", "relu")
    assert status == 0
    assert err == "fastgram: warning: this will take long\n"


@pytest.mark.slow
def test_letters_that_the_output_has_not(rows):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = python("-m", "fastgram", "info", env=environment)
    assert done.returncode == 0
    assert "relu" in done.stdout


def test_a_bug_keeps_its_traceback(run, rows, answers):
    answers(AttributeError("a bug"))
    with pytest.raises(AttributeError, match="a bug"):
        run("spectrum", rows, "-a", "relu")
