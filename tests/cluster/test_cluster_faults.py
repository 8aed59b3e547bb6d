"""Workers that die, come and are missing, and what a run makes of it."""

from __future__ import annotations

import os
import signal
import time

import dask
import numpy as np
import pytest
from helpers.clusters import processes, threads

import fastgram as fg
from fastgram.devices.cluster import waiting
from fastgram.devices.cluster.dealing import Dealer

pytestmark = pytest.mark.slow


def addresses(client):
    return set(client.nthreads())


def pids(client):
    return client.run(os.getpid)


@pytest.fixture(scope="module")
def killed_before():
    with processes(2) as found:
        yield found


@pytest.fixture
def mortal(killed_before):
    """Two processes to be killed: who was killed before is started again."""
    killed_before.cluster.scale(2)
    end = time.monotonic() + 120
    while len(killed_before.run(os.getpid, on_error="ignore")) != 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    return killed_before


@pytest.fixture
def after_a_band(monkeypatch):
    """A function that has another one called once, when the first task of a call is done."""

    def set_up(act):
        finished, acted = Dealer._finished, []

        def watched(dealer, future):
            finished(dealer, future)
            if not acted:
                acted.append(True)
                act()

        monkeypatch.setattr(Dealer, "_finished", watched)
        return acted

    return set_up


def test_a_worker_that_is_killed_costs_its_tasks(mortal, X, V, after_a_band):
    op = fg.GramOperator(X, "relu", device=mortal)
    meant, before = op @ V, pids(mortal)
    acted = after_a_band(lambda: os.kill(next(iter(before.values())), signal.SIGKILL))
    assert np.array_equal(op @ V, meant)
    assert acted
    mortal.wait_for_workers(2, timeout=120)  # it is started again, and joins
    assert np.array_equal(op @ V, meant)


def test_all_killed_in_the_middle_of_a_pass(mortal, X, V, after_a_band):
    op = fg.GramOperator(X, "relu", device=mortal)
    meant, before = op @ V, pids(mortal)
    acted = after_a_band(lambda: [os.kill(pid, signal.SIGKILL) for pid in before.values()])
    assert np.array_equal(op @ V, meant)  # rows and vectors are sent again
    assert acted


def test_one_killed_and_one_added_in_the_middle_of_a_run(mortal, X, after_a_band):
    op = fg.GramOperator(X, "relu", device=mortal)
    request = {"method": "lanczos", "rtol": 0.3}
    meant = fg.extreme_eigenvalues(op, **request)
    before = pids(mortal)

    def act():
        os.kill(next(iter(before.values())), signal.SIGKILL)
        mortal.cluster.scale(3)

    acted = after_a_band(act)
    found = fg.extreme_eigenvalues(op, **request)
    assert acted
    assert found == meant  # bit for bit


def test_killed_while_blocks_are_stored(mortal, X, tmp_path, monkeypatch):
    from fastgram.storage import store

    monkeypatch.setattr(store, "side_of", lambda n, ending: 384)
    write, before, killed = store.write_block, pids(mortal), []

    def watched(*arguments):
        write(*arguments)
        if not killed:
            killed.append(next(iter(before.values())))
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(store, "write_block", watched)
    fg.store_gram(tmp_path / "K.npy", X, "elu", device=mortal)
    assert killed
    assert np.array_equal(np.load(tmp_path / "K.npy"), fg.gram(X, network="elu"))


def test_one_that_joins_is_used_from_the_next_pass(X, V):
    with threads(1) as few:
        op = fg.GramOperator(X, "relu", device=few)
        meant = op @ V
        few.cluster.scale(2)
        few.wait_for_workers(2, timeout=60)
        dealt, submit = set(), Dealer._submit

        def noted(dealer, own, worker):
            dealt.add(worker)
            return submit(dealer, own, worker)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Dealer, "_submit", noted)
            assert np.array_equal(op @ V, meant)
        assert dealt == addresses(few)


def test_no_worker_left_ends_in_a_line(X, V, refuses, capsys, monkeypatch):
    monkeypatch.setattr(waiting, "TICK", 0.1)
    with threads(1) as few:
        op = fg.GramOperator(X, "relu", device=few)
        op @ V
        few.cluster.scale(0)
        while addresses(few):
            time.sleep(0.05)
        with (
            dask.config.set({"fastgram.worker-timeout": "500ms"}),
            refuses(TimeoutError, "no worker for 0.5 s", "fastgram.worker-timeout"),
        ):
            op @ V
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "the cluster has no worker: waiting for one, 0.5 s at most" in told


def test_one_that_comes_back_in_time_is_waited_for(X, V, capsys):
    with threads(1) as few:
        op = fg.GramOperator(X, "relu", device=few)
        meant = op @ V
        few.cluster.scale(0)
        while addresses(few):
            time.sleep(0.05)
        few.cluster.loop.call_later(1.0, few.cluster.scale, 1)
        assert np.array_equal(op @ V, meant)
    assert "waiting for one" in capsys.readouterr().err


def test_a_scheduler_that_is_gone_ends_in_a_line(X, V, refuses):
    with processes(1) as few:
        op = fg.GramOperator(X, "relu", device=few)
        few.cluster.close()
        with refuses(ConnectionError, "scheduler", "is lost"):
            op @ V


@pytest.fixture
def dealt(monkeypatch):
    """Have a basis dealt to workers from its first column on; list how often one is begun."""
    from fastgram.devices.cluster.device import Cluster
    from fastgram.devices.cluster.pool import Pool
    from fastgram.linalg.basis import dealt_columns

    begun, begin = [], dealt_columns.DealtColumns.begin_chunk
    monkeypatch.setattr(Pool, "basis_bytes", lambda pool: 2**30)
    monkeypatch.setattr(Cluster, "basis_bytes", lambda device, asked: 0)
    monkeypatch.setattr(dealt_columns, "SLICE_ROWS", 400)

    def noted(columns):
        begun.append(columns)
        begin(columns)

    monkeypatch.setattr(dealt_columns.DealtColumns, "begin_chunk", noted)
    return begun


@pytest.fixture
def at_a_pass(monkeypatch):
    """A function that has another one called once, before a pass is added to a dealt basis."""
    from fastgram.linalg.basis.dealt_columns import DealtColumns

    def set_up(number, act):
        append, calls = DealtColumns.append, []

        def watched(columns, block):
            calls.append(True)
            if len(calls) == number:
                act()
            append(columns, block)

        monkeypatch.setattr(DealtColumns, "append", watched)

    return set_up


def test_rows_of_the_basis_that_are_lost(mortal, X, dealt, at_a_pass, refuses, tmp_path):
    """A run goes on from its checkpoint, and ends in a line where it has none."""
    op = fg.GramOperator(X[:800], "elu", device=mortal)
    request = {"method": "lanczos", "rtol": 0.3, "block": 32}
    meant = fg.extreme_eigenvalues(op, **request)
    assert len(set(dealt)) == 1
    kill = lambda: os.kill(next(iter(pids(mortal).values())), signal.SIGKILL)  # noqa: E731
    at_a_pass(4, kill)
    found = fg.extreme_eigenvalues(op, **request, checkpoint=tmp_path / "run")
    assert len(set(dealt)) > 2, "it was begun again"
    assert found.passes == meant.passes
    assert found.smallest.lower == pytest.approx(meant.smallest.lower, rel=1e-6)
    mortal.wait_for_workers(2, timeout=120)
    at_a_pass(4, kill)
    with refuses(ConnectionError, "had rows of the basis", "with a checkpoint"):
        fg.extreme_eigenvalues(op, **request)


@pytest.fixture
def three():
    """Processes of a test's own: so many that one is left while others are started again."""
    with processes(3) as found:
        found.wait_for_workers(3, timeout=120)
        yield found


def test_workers_that_always_die_end_in_a_line(three, X, V, refuses, monkeypatch):
    op = fg.GramOperator(X, "relu", device=three)
    op @ V

    def dies(entries, shared, own):
        os.kill(os.getpid(), signal.SIGKILL)

    from fastgram.matrix.divided import tasks

    monkeypatch.setattr(tasks, "multiply_band", dies)
    with refuses(ConnectionError, "workers of the cluster"):
        op @ V
