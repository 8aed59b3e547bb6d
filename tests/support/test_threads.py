"""Threads and memory as the user, joblib, control groups and the shell set them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

import fastgram as fg
from fastgram.matrix import traversal
from fastgram.support import threads
from fastgram.support.limits import processor_quotas
from fastgram.support.threads import one_blas_thread, share_of_threads, thread_limit

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
needs_two = pytest.mark.skipif(CORES < 2, reason="one processor")
NAMES = ("FASTGRAM", "NUMBA", "OMP", "OPENBLAS", "GOTO", "MKL", "BLIS")
# Counts the threads that work at once in a product, and in LAPACK.
COUNT = """
import json, threading, numpy as np, fastgram as fg
from fastgram.support.threads import one_blas_thread, thread_limit
seen, lock, blas = set(), threading.Lock(), []
X = fg.datasets.sphere(4000, 3, seed=0)
def see(*arguments):
    seen.add(threading.get_ident())
op = fg.GramOperator(X, "relu")
op.visit(see)
import scipy.linalg
eigh = scipy.linalg.eigh
def watched(*arguments, **options):
    blas.append(max(threads.num_threads for threads in one_blas_thread.libraries()))
    return eigh(*arguments, **options)
scipy.linalg.eigh = watched
fg.extreme_eigenvalues(np.eye(3))
print(json.dumps([len(seen), max(blas), thread_limit().source]))
"""


def clean(**environment):
    names = [f"{name}_NUM_THREADS" for name in NAMES] + ["OMP_THREAD_LIMIT"]
    return {key: value for key, value in os.environ.items() if key not in names} | environment


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean(**environment)
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def free(monkeypatch):
    """Nothing set: as the environment says, which says nothing."""
    for name in set(os.environ) - set(clean()):
        monkeypatch.delenv(name)
    before = thread_limit().value
    libraries = one_blas_thread.libraries()
    threads = [library.num_threads for library in libraries]
    fg.set_num_threads(None)
    for library in libraries:
        library.set_num_threads(CORES)
    yield
    fg.set_num_threads(before)
    for library, number in zip(libraries, threads, strict=True):
        library.set_num_threads(number)


@pytest.mark.slow
@needs_two
@pytest.mark.parametrize(
    ("environment", "source"),
    [
        ({"NUMBA_NUM_THREADS": "1"}, "NUMBA_NUM_THREADS"),
        pytest.param({"OMP_NUM_THREADS": "1"}, "OMP_NUM_THREADS", marks=pytest.mark.slow),
        ({"FASTGRAM_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}, "FASTGRAM_NUM_THREADS"),
    ],
)
def test_variables(environment, source):
    assert run(COUNT, **environment) == [1, 1, source]


@needs_two
@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "source"),
    [
        ("from threadpoolctl import threadpool_limits; held = threadpool_limits(1)", "openblas"),
        ("import fastgram as fg; fg.set_num_threads(1)", "set_num_threads"),
        ("import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])", "processors"),
    ],
)
def test_calls(first, source):
    first = "import scipy.linalg\n" + first
    threads, blas, found = run(f"{first}\n{COUNT}")
    assert source in found
    assert (threads, blas) == (1, 1)


@needs_two
def test_nothing_set_is_all_processors(free):
    quotas = [limit.value for limit in processor_quotas()]
    assert thread_limit().value == min([CORES, *quotas])


def test_the_least_counts_and_what_is_no_number_does_not(free, monkeypatch):
    usual = thread_limit()
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        for word in ("64", "", "many", "0", "-1"):
            monkeypatch.setenv(name, word)
            assert thread_limit() == usual
    monkeypatch.setenv("OMP_NUM_THREADS", "1,4")  # a list, one a level
    assert thread_limit() == (1, "OMP_NUM_THREADS")
    monkeypatch.delenv("OMP_NUM_THREADS")
    # of BLAS alone
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    for library in one_blas_thread.libraries():
        library.set_num_threads(1)
    assert thread_limit() == usual


def test_what_is_said_to_fastgram_comes_first(free, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("FASTGRAM_NUM_THREADS", " 3 ")
    assert thread_limit() == (3, "FASTGRAM_NUM_THREADS")
    fg.set_num_threads(np.int64(5))
    assert thread_limit() == (5, "set_num_threads")
    fg.set_num_threads(None)
    assert thread_limit() == (3, "FASTGRAM_NUM_THREADS")


@pytest.mark.parametrize("word", ["0", "-2", "many", "1.5"])
def test_a_variable_of_no_number(word, free, monkeypatch, refuses):
    monkeypatch.setenv("FASTGRAM_NUM_THREADS", word)
    with refuses(ValueError, "FASTGRAM_NUM_THREADS must be an integer of at least 1", repr(word)):
        fg.gram([[1.0]], network="relu")


@pytest.mark.parametrize(
    ("wrong", "error"), [(0, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_a_number_of_threads_that_is_none(wrong, error, refuses):
    with refuses(error, "n must be"):
        fg.set_num_threads(wrong)


@needs_two
@pytest.mark.slow
def test_any_number_of_threads_gives_the_same_bits():
    """In processes of their own, for tables are kept."""
    code = """
import json, numpy as np, fastgram as fg
op = fg.GramOperator(fg.datasets.sphere(900, 5, seed=0), "tanh")
print(json.dumps([(op @ np.ones((900, 3))).tolist(), op.dense()[0].tolist()]))
"""
    alone = run(code, FASTGRAM_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    assert alone == run(code)


@needs_two
def test_blas_has_its_threads_back_whoever_ends_first(free):
    """Two that hold it, to one and to two threads, in every order of their ends."""
    library = next(library for library, _ in one_blas_thread.numbers())
    for first, second in ((1, 2), (2, 1), (1, 1)):
        entered, leave = threading.Event(), threading.Event()

        def hold(most=first, entered=entered, leave=leave):
            with one_blas_thread(most):
                entered.set()
                leave.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
        with one_blas_thread(second):
            assert library.num_threads == min(first, second)
            leave.set()
            thread.join()
            assert library.num_threads == second
            assert thread_limit().value == min([CORES, *(q.value for q in processor_quotas())])
        assert library.num_threads == CORES


@pytest.mark.parametrize("network", ["relu", fg.Network("relu", width=300)], ids=str)
def test_those_who_multiply_at_a_time_share_the_threads(network, free, monkeypatch):
    """Eight threads: one alone has all; with one, two and then many others under way, less."""
    taken = []

    class Counted(ThreadPoolExecutor):
        def __init__(self, count, **options):
            taken.append(count)
            super().__init__(count, **options)

    op = fg.GramOperator(fg.datasets.sphere(4000, 3, seed=0), network, memory=0)
    alone = op @ np.ones(4000)
    fg.set_num_threads(8)
    monkeypatch.setattr(traversal, "ThreadPoolExecutor", Counted)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Counted)
    with ExitStack() as others:
        for part in (8, 4, 2, 2, 1):
            taken.clear()
            assert np.array_equal(op @ np.ones(4000), alone)
            assert sum(taken) <= part
            if part > 1:
                assert max(taken) == part
            others.enter_context(share_of_threads())
    taken.clear()
    op @ np.ones(4000)
    assert max(taken) == 8


def test_threads_come_back_after_an_error(free):
    def fail(*arguments):
        raise ValueError("no")

    fg.set_num_threads(4)
    op = fg.GramOperator(fg.datasets.sphere(2000, 3, seed=0), "relu")
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            op.visit(fail)
    with share_of_threads() as share:
        assert share == 4


WORKERS = """
import json, joblib
from fastgram.support.threads import thread_limit
def count():
    return list(thread_limit())
if __name__ == "__main__":
    with joblib.parallel_config("loky", {options}):
        found = joblib.Parallel(n_jobs={jobs})(joblib.delayed(count)() for _ in range(2))
    print(json.dumps([number for number, _ in found]))
"""


@needs_two
@pytest.mark.slow
@pytest.mark.parametrize(
    ("jobs", "options", "most"),
    [
        (2, "", CORES // 2),
        (1, "n_jobs=1", CORES),
        (2, "inner_max_num_threads=1", 1),
    ],
)
def test_processes_of_joblib(jobs, options, most, tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS.format(jobs=jobs, options=options))
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=clean(), check=True
    )
    assert json.loads(result.stdout) == [most, most]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v is counted on Linux")
def test_address_space():
    code = """
import json, resource
import fastgram as fg
fg.GramOperator([[1.0]], fg.Network("tanh", width=2))
from fastgram.support.memory import free_memory, memory_limit
import scipy.linalg
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
before = free_memory()
resource.setrlimit(resource.RLIMIT_AS, (pages + 10**7, resource.RLIM_INFINITY))
try:
    fg.GramOperator([[1.0]], fg.Network("tanh", width=10**5, depth=2))
    refused = ""
except ValueError as error:
    refused = str(error)
print(json.dumps([before, *memory_limit(), refused]))
"""
    before, value, source, refused = run(code)
    assert value <= 10**7 < before
    assert source == "ulimit -v"
    assert "bytes of memory are needed" in refused


@pytest.mark.slow
def test_info_says_what_decided():
    result = subprocess.run(
        [sys.executable, "-m", "fastgram", "info"],
        capture_output=True,
        text=True,
        env=clean(FASTGRAM_NUM_THREADS="1"),
        check=True,
    )
    lines = {line[:16].strip(): line[17:] for line in result.stdout.splitlines()}
    assert lines["threads"] == "1 (FASTGRAM_NUM_THREADS)"
    assert " GiB (" in lines["memory free"]
