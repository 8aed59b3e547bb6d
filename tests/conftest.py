"""Fixtures of all rooms: the cases, one thread of BLAS, and the command line."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from contextlib import contextmanager

import pytest
from helpers import cuda_host
from helpers.cases import DEVICES, DTYPES, KINDS, RECORDS
from helpers.nursery import nurseries
from threadpoolctl import threadpool_limits

import fastgram as fg
from fastgram.__main__ import main
from fastgram.exact import solve
from fastgram.matrix import computed_matrix, operator, products, traversal
from fastgram.matrix.operator import matrix_of
from fastgram.matrix.traversal import each_tile
from fastgram.support.threads import thread_count

QUICK_CASES = 2


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(items):
    """Of a test's many cases the quick lane takes a few, evenly spread; the others are slow."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") is None:
            cases[item.nodeid.partition("[")[0]].append(item)
    for found in cases.values():
        quick = {round(k * (len(found) - 1) / (QUICK_CASES - 1)) for k in range(QUICK_CASES)}
        for place, item in enumerate(found):
            if place not in quick:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=RECORDS)
def activation(request):
    return fg.get_activation(request.param)


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread():
    # a quadrature is many small products: BLAS threads that wait for a busy core cost minutes
    fg.set_num_threads(thread_count())  # which would follow BLAS's
    with threadpool_limits(1, user_api="blas"):
        yield
    fg.set_num_threads(None)


@pytest.fixture(scope="session", autouse=True)
def _one_compilation(tmp_path_factory):
    """CUDA kernels are compiled for the host once a run, whatever the number of its workers."""
    own = tmp_path_factory.getbasetemp()
    cuda_host.FOLDER = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def refuses():
    """A context that demands an error of this type, in one line, with these words in it."""

    @contextmanager
    def check(error, *words):
        with pytest.raises(error) as caught:
            yield
        message = str(caught.value)
        assert message
        assert "\n" not in message
        for word in words:
            assert word in message

    return check


@pytest.fixture
def tiles(monkeypatch):
    """A function that sets the size of tiles and the threads of gram and GramOperator."""

    def use(size, threads=None):
        traverse = functools.partial(each_tile, tile=size, threads=threads)
        for module in (computed_matrix, products, traversal):
            monkeypatch.setattr(module, "each_tile", traverse)

    return use


class Watching:
    """A device that calls a function before it evaluates a tile."""

    def __init__(self, device, before):
        self.device, self.before = device, before

    def __getattr__(self, name):
        return getattr(self.device, name)

    @property
    def evaluate(self):
        def watched(*arguments):
            self.before()
            self.device.evaluate(*arguments)

        return watched


@pytest.fixture
def watch():
    """A function that has an operator call another function before each tile that it computes."""

    def start(op, before):
        matrix_of(op).devices = tuple(Watching(device, before) for device in matrix_of(op).devices)

    return start


@pytest.fixture
def run(capsys):
    """Run the command: its status, standard output and standard error."""

    def call(*words):
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def refused(run, monkeypatch):
    """Run a command that must fail in one line, before it computes anything; return the line."""

    class NoWork:
        def __init__(self, *args, **kwargs):
            raise AssertionError("work was started")

    monkeypatch.setattr(operator, "GramOperator", NoWork)
    monkeypatch.setattr(solve, "exact_extreme_eigenvalues", NoWork)

    def call(*words):
        status, out, err = run(*words)
        assert (status, out) == (2, "")
        assert err.startswith("fastgram: error: ")
        assert err.count("\n") == 1
        return err

    return call


@pytest.fixture(scope="module")
def all_nurseries(request, tmp_path_factory):
    """The module's SCRIPT as nurseries: see `nursery`."""
    told = tmp_path_factory.mktemp("nurseries") / "told"
    with nurseries(request.module.SCRIPT, told) as begin:
        yield functools.cache(lambda number: begin()), told


@pytest.fixture
def nursery(all_nurseries):
    """A function that returns the first nursery or the second, and another: what they have said."""
    number, told = all_nurseries
    told.write_text("")
    return number, told.read_text
