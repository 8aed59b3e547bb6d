"""--cluster on the command line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from helpers.clusters import threads

import fastgram as fg
from fastgram.datasets.rows import scale_to_unit_norm


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, fg.datasets.sphere(500, 6, seed=0))
    return path


@pytest.fixture
def nobody():
    """An address where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cluster", "local:0"], "local:N"),
        (["--cluster", "here"], "tcp://host:8786, not 'here'"),
        (["--cluster", "local:2", "--device", "gpu"], "--device does not apply with --cluster"),
        (["--cluster", "local:2", "--memory", "1G"], "--memory does not apply with --cluster"),
        (["--cluster", "local:2", "--exact"], "--cluster does not apply to --exact"),
        (["--cluster-config", "x.yaml"], "--cluster-config does not apply without --cluster"),
    ],
)
def test_what_cannot_be_is_refused(refused, words, told):
    assert told in refused("spectrum", "-a", "relu", *words)


def test_a_configuration_that_is_none(refused, rows, tmp_path):
    words = ["spectrum", rows, "-a", "relu", "--cluster", "tcp://x:1", "--cluster-config"]
    assert "No such file" in refused(*words, tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert "must hold keys of Dask's configuration" in refused(*words, tmp_path / "list.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    assert "is no YAML" in refused(*words, tmp_path / "bad.yaml")


@pytest.mark.slow
def test_no_scheduler_is_told(refused, rows, nobody, monkeypatch):
    from fastgram.devices.cluster import opening

    monkeypatch.setattr(opening, "_PATIENCE", 1)
    line = refused("spectrum", rows, "-a", "relu", "--cluster", nobody)
    assert f"no scheduler answers at {nobody}" in line


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told(refused, rows, monkeypatch):
    import distributed

    from fastgram.devices.cluster import opening

    monkeypatch.setattr(opening, "_PATIENCE", 1)
    words = {"dashboard_address": ":0", "scheduler_kwargs": {"dashboard": False}}
    with distributed.LocalCluster(n_workers=0, **words) as cluster:
        address = cluster.scheduler_address
        line = refused("spectrum", rows, "-a", "relu", "--cluster", address)
    assert f"the scheduler at {address} has no workers" in line


@pytest.mark.slow
def test_local_processes(run, rows):
    words = ["spectrum", rows, "-a", "relu", "--method", "lanczos", "--json", "-"]
    status, text, err = run(*words, "--cluster", "local:2")
    assert (status, err) == (0, "")
    (found,) = json.loads(text)
    (meant,) = json.loads(run(*words)[1])
    assert found["device"] == "cluster"
    assert found["smallest"]["lower"] == pytest.approx(meant["smallest"]["lower"], rel=1e-6)


@pytest.mark.slow
def test_a_scheduler_of_the_users(run, rows, tmp_path):
    import dask

    (tmp_path / "dask.yaml").write_text("fastgram:\n  worker-timeout: 7s\n")
    with threads(2) as client:
        cluster = ["--cluster", client.scheduler.address]
        cluster += ["--cluster-config", tmp_path / "dask.yaml"]
        status, text, err = run("spectrum", rows, "-a", "elu", "--density", *cluster)
        assert (status, err) == (0, "")
        assert "on a cluster" in text
        status, _, err = run("gram", rows, tmp_path / "K.npy", "-a", "elu", *cluster)
        assert (status, err.count("error")) == (0, 0)
    run("gram", rows, tmp_path / "one.npy", "-a", "elu")
    assert dask.config.get("fastgram.worker-timeout", None) is None
    assert np.array_equal(np.load(tmp_path / "K.npy"), np.load(tmp_path / "one.npy"))


def in_the_middle(process, folder, passes):
    """Wait until so many passes are stored, and kill a command; its workers end by themselves."""
    there = psutil.Process(process.pid)
    while len(list(folder.rglob("pass-*.npz"))) < passes:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    workers = there.children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert workers
    assert not psutil.wait_procs(workers, timeout=120.0)[1]


@pytest.mark.slow
def test_the_command_itself_is_killed_and_has_the_bits_of_a_client(rows, client, tmp_path):
    """As many bands, of the rows as the command scales them: one bracket, to the last bit."""
    words = ["spectrum", str(rows), "-a", "tanh", "--method", "lanczos", "--rtol", "1e-4"]
    words += ["--json", "-", "--cluster", "local:2", "--checkpoint", str(tmp_path / "run")]
    program = [sys.executable, "-m", "fastgram", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, **pipes) as first:
        in_the_middle(first, tmp_path / "run", 3)
    stored = len(list((tmp_path / "run").rglob("pass-*.npz")))
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads(done.stdout)
    assert found["device"] == "cluster"
    op = fg.GramOperator(scale_to_unit_norm(np.load(rows)), "tanh", device=client)
    meant = fg.extreme_eigenvalues(op, method="lanczos", rtol=1e-4)
    assert 3 <= stored < meant.passes, "the kill is to fall into the run"
    assert (found["passes"], found["noise_floor"]) == (meant.passes, meant.noise_floor)
    for end in ("smallest", "largest"):
        bracket = getattr(meant, end)
        assert (found[end]["lower"], found[end]["upper"]) == (bracket.lower, bracket.upper)


@pytest.mark.slow
def test_a_training_curve(run, rows, tmp_path):
    np.save(rows, np.column_stack([np.load(rows), np.arange(500) % 3]))
    words = ["train", rows, "--label", "-1", "-a", "relu", "--json", "-"]
    with threads(2) as client:
        cluster = ["--cluster", client.scheduler.address, "--checkpoint", tmp_path / "run"]
        status, text, err = run(*words, *cluster)
    assert (status, err) == (0, "")
    (found,), (meant,) = json.loads(text), json.loads(run(*words)[1])
    assert found["device"] == "cluster"
    assert found["estimate"] == pytest.approx(meant["estimate"], rel=1e-6)
    # the passes that a cluster has made are read back without one
    (again,) = json.loads(run(*words, "--checkpoint", tmp_path / "run")[1])
    assert again["estimate"] == pytest.approx(meant["estimate"], rel=1e-6)
