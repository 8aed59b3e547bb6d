"""Help beyond --help: topics, the examples in the help of commands, and what shells complete."""

from __future__ import annotations

import getpass
import re
import shlex
import socket
from pathlib import Path

import pytest
import typer

import fastgram as fg
from fastgram.cli.app import app
from fastgram.cli.guide import bug_report
from fastgram.cli.guide.topics import TOPICS
from fastgram.network.network import KINDS

COMMANDS = typer.main.get_command(app).commands


def examples():
    """Return the commands that the help of each command shows, by its name."""
    found = {name: [] for name in COMMANDS}
    for name, command in COMMANDS.items():
        lines = command.help.splitlines()
        found[name] = [line.strip() for line in lines if line.startswith("  fastgram ")]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples(name):
    assert len(examples()[name]) >= 3


@pytest.mark.parametrize(
    "line", [line for lines in examples().values() for line in lines], ids=lambda line: line[9:40]
)
def test_examples_are_commands(line):
    _, name, *words = shlex.split(line.partition(" > ")[0])
    COMMANDS[name].make_context(name, words)  # which refuses unknown options and missing words


# --- topics ---------------------------------------------------------------------------------------


def test_help_lists_commands_and_topics(run):
    status, out, err = run("help")
    assert (status, err) == (0, "")
    for name in (*COMMANDS, *TOPICS):
        assert re.search(rf"^\W*{name}  ", out, re.MULTILINE)


@pytest.mark.parametrize("topic", TOPICS)
def test_topics(topic, run):
    status, out, err = run("help", topic)
    assert (status, err) == (0, "")
    assert out.strip()
    assert "`" not in out
    assert ">>>" not in out
    assert max(map(len, out.splitlines())) <= 120


def test_topics_say_what_the_docstrings_say(run):
    told = run("help", "networks")[1]
    assert told.startswith("fastgram.Network: A fully connected network at initialisation.")
    assert "PARAMETERS\nactivation : str or Activation" in told
    assert "ValueError" not in told
    lines = run("help", "activations")[1].splitlines()
    for name in fg.activation_names():
        described = fg.get_activation(name).description
        assert any(re.match(rf"{name}\b", line) and described in line for line in lines)
    assert any(line.startswith("leaky_relu(negative_slope=0.01) ") for line in lines)


def test_a_topic_that_is_a_command(run):
    assert run("help", "plan") == run("plan", "--help")


def test_an_unknown_topic(run):
    status, out, err = run("help", "bracket")
    assert (status, out) == (2, "")
    assert err.startswith("fastgram: error: unknown topic 'bracket'; did you mean 'brackets'?")


# --- completion -----------------------------------------------------------------------------------


@pytest.fixture
def completed(run, monkeypatch):
    """A function that returns what bash offers at the end of a line."""

    def complete(line):
        monkeypatch.setenv("_FASTGRAM_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        status, out, err = run()
        assert (status, err) == (0, "")
        return out.split()

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fastgram ", list(COMMANDS)),
        ("fastgram spectrum --activation ", list(fg.activation_names())),
        ("fastgram train -a le", ["leaky_relu"]),
        ("fastgram gram --kind ", list(KINDS)),
        ("fastgram plan --width ", ["infinite"]),
        ("fastgram spectrum --cluster ", []),
        ("fastgram spectrum --json ", []),
        ("fastgram spectrum --depth ", []),
        ("fastgram spectrum --met", ["--method"]),
        ("fastgram help bra", ["brackets"]),
    ],
)
def test_what_a_shell_completes(line, words, completed):
    assert completed(line) == words


def test_the_script_for_a_shell(run):
    status, out, err = run("--show-completion")
    assert (status, err) == (0, "") or "not supported" in err  # where it knows of no shell
    assert "_FASTGRAM_COMPLETE" in out or status


# --- reports of bugs ------------------------------------------------------------------------------


def test_a_report(run, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(Path.cwd()))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    status, out, err = run("info", "--report")
    assert (status, err) == (0, "")
    facts = {line[:14].strip(): line[15:] for line in out.splitlines()}
    assert facts["fastgram"].startswith(fg.__version__)
    assert "numba " in facts["libraries"]
    assert facts["BLAS"].count("threads") >= 1
    assert facts["environment"].count("NUMBA_CACHE_DIR is set") == 1
    assert "CUDA_VISIBLE_DEVICES=0,1" in facts["environment"]
    assert "not found out" not in out


def test_a_report_tells_nobodys_name_or_place(run, monkeypatch):
    user = getpass.getuser()
    secrets = [str(Path.home()), str(Path.cwd()), str(Path(fg.__file__).parent)]

    def broken():
        raise OSError(2, "No such file or directory", f"/home/{user}-x/secret.npy")

    monkeypatch.setattr(bug_report, "_blas", broken)
    monkeypatch.setattr(bug_report, "_memory", lambda: "1 GiB (/sys/fs/cgroup/user-1000.slice)")
    out = run("info", "--report")[1]
    assert "FileNotFoundError: [Errno 2] No such file or directory: '(a path)'" in out
    assert "1 GiB ((a path))" in out
    assert "secret" not in out
    for secret in (*secrets, socket.gethostname()):
        assert not re.search(rf"{re.escape(secret)}\b", out)
