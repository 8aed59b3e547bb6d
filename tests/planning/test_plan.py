"""Plans: what auto really takes, hours from operations and rates, memory, refusals."""

from __future__ import annotations

import dataclasses
import html
import json
import tracemalloc

import numpy as np
import pytest
from helpers.emulated_gpu import as_emulated  # noqa: F401
from helpers.made_up_rates import ENTRIES, MACHINE, VECTORS

import fastgram as fg
from fastgram.eigenvalues import extreme
from fastgram.eigenvalues.methods import auto, hybrid, lanczos
from fastgram.kernels.cpu.llvm_vectors import has_avx512
from fastgram.planning import measurements
from fastgram.planning import plan as planning
from fastgram.planning.passes import assumed_passes, blocks_looked_through
from fastgram.planning.plan import plan_of
from fastgram.planning.results import duration_words
from fastgram.support.memory import size_words

GIB = 2**30


def way_of(plan, name):
    [way] = [way for way in plan.ways if way.name == name]
    return way


def rows_bytes(n, d):
    """As given, of norm 1, and once more where registers are wide, for loops of our own."""
    return n * d * 8 * (3 if has_avx512() else 2)


# --- auto ----------------------------------------------------------------------------------------


@pytest.fixture
def taken(monkeypatch):
    """The ways that `auto` goes, by the functions that it calls."""
    calls = []

    def watch(name):
        inner = getattr(auto, name)

        def watched(problem, request, *more):
            calls.append((name, more))
            return inner(problem, request, *more)

        monkeypatch.setattr(auto, name, watched)

    for name in ("run_dense", "run_lanczos", "bracket_by_passes_or_inverse"):
        watch(name)
    return calls


@pytest.mark.parametrize("memory", [None, 0, 40_000, 10**6, 10**8])
@pytest.mark.parametrize("n", [20, 64, 65, 150, 400])
def test_auto_takes_what_the_plan_says(n, memory, measured, taken, monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 64)
    op = fg.GramOperator(fg.datasets.sphere(n, 20, 0), "tanh", memory=memory)
    plan = plan_of(op, block=4)
    without_rows = fg.plan(n, 20, "tanh", memory=memory, block=4)
    assert (plan.auto, plan.why) == (without_rows.auto, without_rows.why)
    answer = fg.extreme_eigenvalues(op, block=4, rtol=0.5)
    [(function, more)] = taken
    if plan.auto == "dense":
        assert (function, answer.method, plan.why) == ("run_dense", "dense", "n ≤ 64")
        return
    may_factorise = "from pass" in plan.why
    assert function == ("bracket_by_passes_or_inverse" if may_factorise else "run_lanczos")
    kept = op.memory / op.tile_bytes
    names = {True: "kept", kept == 0: "recomputed", 0 < kept < 1: "partly kept"}
    assert plan.auto == names[True]
    if may_factorise:
        [costs] = more
        worth = costs.worth_passes()
        assert f"from pass {-(-worth // 2)} on the inverse" in plan.why
        assert way_of(plan, "inverse").most_passes == worth


@pytest.mark.parametrize(("n", "auto_takes"), [(2048, "dense"), (2049, "kept"), (10**6, None)])
def test_the_limit_of_the_dense_method(n, auto_takes, measured):
    plan = fg.plan(n, 5, "relu")
    assert (plan.auto == "dense") == (n <= extreme.DENSE_LIMIT)
    assert auto_takes in (None, plan.auto)


@pytest.mark.parametrize("width", [3, 2000])
def test_factors_where_the_operator_takes_them(width, measured, monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 64)
    network = fg.Network("tanh", width=width)
    op = fg.GramOperator(fg.datasets.sphere(300, 6, 0), network)
    by_factors = op.multiplication(16) == "factored"
    assert by_factors == (width == 3)
    for plan in (plan_of(op), fg.plan(300, 6, network)):
        assert (plan.auto == "factored") == by_factors
        [*_, first] = [way.name for way in plan.ways if way.name in ("factored", plan.auto)]
        assert first == plan.auto


def test_memory_that_is_not_here(measured, monkeypatch):
    monkeypatch.setattr(planning, "free_memory", lambda: 10**9)
    plan = fg.plan(100_000, 20, "tanh", memory=10**11)
    assert plan.free_memory_bytes == 2 * 10**11
    assert (plan.auto, way_of(plan, "kept").why_not) == ("kept", "")
    assert "from pass" in plan.why  # 4n² bytes may be factorised there
    here = fg.plan(100_000, 20, "tanh", memory=10**8)
    assert here.free_memory_bytes == 10**9
    assert here.auto == "partly kept"
    assert "needs memory= of 40.2 GB at least" in way_of(here, "inverse").why_not


def test_kept_entries_leave_room_for_the_basis(measured, monkeypatch):
    monkeypatch.setattr(planning, "free_memory", lambda: 18 * GIB)
    asked = {"passes": 30, "block": 32}
    plan = fg.plan(10**6, 100, "tanh", **asked)
    assert plan.auto == "partly kept"
    assert "are needed" in way_of(plan, "partly kept").why_not
    [remark] = plan.remarks
    assert "kept entries leave too little memory for the basis: --memory" in remark
    assert str(plan).splitlines()[len(plan.ways) + 3] == remark  # below what auto takes
    memory = int(remark.split("memory=")[1].split(")")[0])
    fewer = fg.plan(10**6, 100, "tanh", memory=memory, **asked)
    assert (fewer.auto, fewer.remarks) == ("partly kept", ())
    assert way_of(fewer, "partly kept").why_not == ""
    monkeypatch.setattr(planning, "free_memory", lambda: 4 * GIB)
    [remark] = fg.plan(10**6, 100, "tanh", **asked).remarks
    assert remark.startswith("what auto takes does not fit in memory, by ")
    assert fg.plan(3000, 10, "tanh", **asked).remarks == ()


def test_short_memory_is_said_in_the_words_of_auto(measured, monkeypatch):
    monkeypatch.setattr(extreme, "DENSE_LIMIT", 64)
    for module in (hybrid, planning):
        monkeypatch.setattr(module, "free_memory", lambda: 100_000)
    plan = plan_of(fg.GramOperator(fg.datasets.sphere(300, 6, 0), "relu"))
    assert plan.why == "a factorisation would need 720,000 bytes of memory, and 100,000 are free"
    # the rows are there, and count on both sides
    free = size_words(100_000 + rows_bytes(300, 6))
    assert f"MB of memory are needed and {free} are free" in way_of(plan, "kept").why_not
    assert "are needed" in way_of(plan, "inverse").why_not


# --- hours, bytes and passes ----------------------------------------------------------------------


def test_hours_are_operations_over_rates(measured, monkeypatch):
    """Written down once more, from the rates that were made up."""
    n, d, b, p = 50_000, 100, 32, 30
    plan = fg.plan(n, d, "tanh", passes=p, memory=40 * GIB)
    entries = n * n / 2 * (d + 60) / ENTRIES["entries"]
    product = max(4 * n * n / ENTRIES["memory"], 2 * n * n * b / ENTRIES["tiles"])
    orthogonal = 4 * n * b * b * p * (p + 1) / VECTORS["orthogonal"]
    looks = blocks_looked_through(p, n, b) / VECTORS["looks"]
    first = 2 * max(4 * n * n / ENTRIES["memory"], 2 * n * n / ENTRIES["tiles"])
    run = p * product + orthogonal + looks
    hours = {
        "kept": entries + first + run,
        "recomputed": first + run + p * entries,
        "dense": entries
        + 8 / 3 * n**3 / MACHINE["eigenvalues"]
        + 2 / 3 * n**3 / MACHINE["factorisation"],
        "certified": entries + first + run + 2 * (n**3 / 3 / MACHINE["factorisation"] + entries),
    }
    for name, seconds in hours.items():
        way = way_of(plan, name)
        assert 3600 * way.least_hours == pytest.approx(seconds, rel=1e-9), name
        assert way.most_hours == way.least_hours  # no close pairs join under a smooth activation
    for changes, is_cached in (({"memory": 40 * GIB}, True), ({"memory": 0}, False)):
        monkeypatch.setattr(planning, "free_memory", lambda: 8 * 10**9)  # less than the file
        reading = 2 * n * n * b / VECTORS["stored"]
        if not is_cached:
            reading = max(4 * n * n / MACHINE["disk_read"], reading)
        stored = entries + 8 * n * n / MACHINE["disk_write"] + p * reading + orthogonal + looks
        found = way_of(fg.plan(n, d, "tanh", passes=p, **changes), "stored")
        assert 3600 * found.least_hours == pytest.approx(stored, rel=1e-6)  # beside a header
    assert plan.auto_least_hours <= plan.auto_most_hours


def test_a_cluster(measured):
    n, d, b, p, workers = 10**6, 100, 32, 25, 64
    plan = fg.plan(n, d, "tanh", passes=p, workers=workers, bandwidth=10.0)
    cluster, alone = way_of(plan, "cluster"), way_of(plan, "recomputed")
    # the block to each worker, and four bands a worker's sums, of the rows from the band on, merged
    block, bands = 8 * n * b, 4 * workers
    lengths = np.sqrt(1.0 - np.arange(bands) / bands)  # bands have as many entries each
    sent = p * (workers + np.sum(lengths) + 1) * block + workers * 8 * n * d
    assert cluster.network_bytes == pytest.approx(sent, rel=1e-3)
    assert alone.least_hours / workers < cluster.least_hours < alone.least_hours / 8
    slow = way_of(fg.plan(n, d, "tanh", passes=p, workers=workers, bandwidth=0.1), "cluster")
    assert slow.least_hours > cluster.least_hours
    assert "64 workers like this machine, links of 10 Gbit/s" in plan.assumptions
    assert "cluster" not in [way.name for way in fg.plan(n, d).ways]


def test_a_basis_that_the_client_cannot_hold(measured, monkeypatch):
    """It is dealt to the workers, and what crosses the network for it counted."""
    free, n, b, p, workers = 12 * GIB, 10**7, 32, 40, 64
    monkeypatch.setattr(planning, "free_memory", lambda: free)
    plan = fg.plan(n, 100, "tanh", passes=p, workers=workers)
    cluster, block = way_of(plan, "cluster"), 8 * n * b
    dealt = (p + 1) * block - free // 2
    (line,) = (line for line in plan.assumptions if "dealt" in line)
    assert line.startswith(size_words(dealt))
    few = way_of(fg.plan(n, 100, "tanh", passes=1, workers=workers), "cluster")
    more = cluster.network_bytes - p * few.network_bytes + (p - 1) * workers * 8 * n * 100
    part = dealt / ((p + 1) * block)
    # twice out and back, and the new block once, and some coefficients
    assert 5.0 * part < more / (p * block) < 5.2 * part
    rows = rows_bytes(n, 100)
    assert free // 2 + rows <= cluster.memory_bytes <= free // 2 + 7 * block + rows
    # what workers cannot hold either is no run's: it restarts
    assert way_of(fg.plan(n, 100, "tanh", passes=p, workers=2), "cluster").memory_bytes <= (
        free // 2 + extreme.BASIS_BYTES + 2 * free // 3 + 7 * block + rows
    )


def test_disk_is_what_a_file_takes(measured, tmp_path):
    fg.store_gram(tmp_path / "K.npy", fg.datasets.sphere(70, 4, 0), "relu", dtype="float32")
    size = (tmp_path / "K.npy").stat().st_size
    assert way_of(fg.plan(70, 4, "relu", dtype="float32"), "stored").disk_bytes == size


def test_passes_of_both_ends_of_a_range():
    for smooth in (False, True):
        at_one_percent = assumed_passes(smooth, 1e-2)
        for rtol in (1e-6, 1e-1, 0.5, 3.0):
            least, most = assumed_passes(smooth, rtol)
            assert 1 <= least <= most
            assert (most < at_one_percent[1]) == (rtol > 1e-2)


def test_given_passes_are_taken(measured):
    plan = fg.plan(9000, 10, "relu", passes=33)
    for name in ("kept", "recomputed", "stored", "density"):
        way = way_of(plan, name)
        assert (way.least_passes, way.most_passes) == (33, 33)
    # close pairs of a kinked activation may join
    assert way_of(plan, "kept").least_hours < way_of(plan, "kept").most_hours
    assert not any("are assumed" in line for line in plan.assumptions)
    assert any("are assumed" in line for line in fg.plan(9000, 10, "relu").assumptions)


def test_a_plan_as_html(measured):
    plan = fg.plan(9000, 10, "relu")
    page = plan._repr_html_()
    assert page.count("<tr>") == 1 + len(plan.ways)
    for words in (plan.title, "certified", *plan.notes):
        assert html.escape(words) in page


def test_looks_are_those_of_a_run(monkeypatch):
    looked = []
    look = lanczos._Passes._look

    def watched(passes):
        looked.append(passes._run.passes)
        look(passes)

    monkeypatch.setattr(lanczos._Passes, "_look", watched)
    matrix = np.diag(np.geomspace(1e-4, 1.0, 400))
    answer = fg.extreme_eigenvalues(matrix, method="lanczos", block=2, rtol=1e-9, max_passes=60)
    assert answer.passes == looked[-1] == 60
    assert len(looked) < 50
    proof = blocks_looked_through(1, 400, 2) - 1  # at the end of a run
    last = looked.pop()
    expected = blocks_looked_through(60, 400, 2) - proof * 60
    assert sum(looked) <= expected <= sum(looked) + last


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dense", "certified", "lanczos"])
@pytest.mark.parametrize("memory", [0, GIB])
def test_memory_is_what_a_run_takes(method, memory, measured):
    n = 1500
    X = fg.datasets.sphere(n, 50, 0)
    fg.extreme_eigenvalues(fg.GramOperator(X[:300], "tanh"), method="lanczos")  # compiles
    tracemalloc.start()
    op = fg.GramOperator(X, "tanh", memory=memory)
    answer = fg.extreme_eigenvalues(op, method=method, rtol=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    plan = plan_of(op, passes=answer.passes or None, rtol=0.1)
    names = {"lanczos": "kept" if memory else "recomputed"}
    planned = way_of(plan, names.get(method, method)).memory_bytes
    assert peak <= planned <= 1.5 * peak + 8e6  # of the threads


# --- the result -----------------------------------------------------------------------------------


def test_a_plan_is_data(measured):
    plan = fg.plan(40_000, 784, fg.Network("elu", depth=2), kind="ntk", dtype="float32")
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.n = 3
    assert (plan.n, plan.d, plan.network) == (40_000, 784, "elu, depth 2")
    assert (plan.kind, plan.dtype, plan.device, plan.block) == ("ntk", "float32", "cpu", 32)
    found = json.loads(json.dumps(plan.to_dict(), allow_nan=False))
    assert found == plan.to_dict()
    assert [way["name"] for way in found["ways"]] == [way.name for way in plan.ways]
    assert found["rates"]["tiles"] == ENTRIES["tiles"]
    lines = str(plan).splitlines()
    assert lines[0] == "ntk Gram matrix of elu, depth 2, 40000 x 784, float32"
    assert len(lines) == 2 + len(plan.ways) + len(plan.notes)
    for line, way in zip(lines[2:], plan.ways, strict=False):
        assert line.startswith(way.name)
    assert fg.plan(40_000, 784).ways == fg.plan(40_000, 784).ways


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (1e-9, 1e-9, "3.6e-06 s"),
        (1 / 3600, 5 / 3600, "1 to 5 s"),
        (12 / 3600, 59 / 3600, "12 to 59 s"),
        (0.5, 0.9, "30 to 54 min"),
        (0.01, 2.0, "0.01 to 2 h"),
        (48.0, 48.0, "2 days"),
        (24 * 365.25 * 30, 24 * 365.25 * 300, "30 to 300 years"),
    ],
)
def test_durations(least, most, words):
    assert duration_words(least, most) == words


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 385, 10**12])
@pytest.mark.parametrize("name", ["relu", "polynomial", "step"])
def test_any_size(n, name, measured):
    plan = fg.plan(n, 1, name, workers=3)
    for way in plan.ways:
        assert 0 <= way.least_hours <= way.most_hours < np.inf
        assert 0 <= way.least_passes <= way.most_passes
        assert way.most_passes <= n or way.name in ("inverse", "certified")
        assert way.memory_bytes > 0
    assert ("are needed" in way_of(plan, "kept").why_not) == (n == 10**12)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"n": 0}, ValueError, "n must be at least 1, not 0"),
        ({"n": 1e6}, TypeError, "n must be an integer"),
        ({"d": 0}, ValueError, "d must be at least 1, not 0"),
        ({"network": "rely"}, ValueError, "relu"),
        ({"kind": "ntkk"}, ValueError, "unknown kind"),
        ({"dtype": "int"}, ValueError, "unknown dtype"),
        ({"memory": -1}, ValueError, "memory must be at least 0"),
        ({"memory": "2G"}, TypeError, "memory must be an integer"),
        ({"block": 0}, ValueError, "block must be at least 1"),
        ({"rtol": 0.0}, ValueError, "rtol must be above 0"),
        ({"passes": 0}, ValueError, "passes must be at least 1"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"bandwidth": 0.0}, ValueError, "bandwidth must be above 0"),
        ({"measure": 1}, TypeError, "measure must be True or False"),
        ({"device": "tpu"}, ValueError, "unknown device 'tpu'"),
    ],
)
def test_bad_input_is_told_before_anything_is_measured(changes, error, words, measured, refuses):
    arguments = {"n": 3000, "d": 10, "network": "relu", **changes}
    with refuses(error, words):
        fg.plan(**arguments)
    assert measured == []


def test_a_gpu_that_is_not_here_has_no_rates(measured, refuses, monkeypatch):
    monkeypatch.setattr("fastgram.devices.registry.gpus", lambda: ((), "there is none"))
    with refuses(ValueError, "a plan needs the device's rates", "measured", "there is none"):
        fg.plan(3000, 10, device="gpu")
    assert fg.plan(3000, 10, device="auto").device == "cpu"


# --- measurements ---------------------------------------------------------------------------------


@pytest.fixture
def small_samples(monkeypatch, cache):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    monkeypatch.setattr("fastgram.planning.matrix._MOST_ROWS", 400)
    for name, size in (
        ("_FACTOR_ORDER", 400),
        ("_EIGEN_ORDER", 60),
        ("_VECTOR_ROWS", 500),
        ("_PASSES", 3),
        ("_STORED_ORDER", 50),
        ("_DISK_BYTES", 2**16),
        ("_DISK_PIECE", 2**14),
    ):
        monkeypatch.setattr(measurements, name, size)


@pytest.mark.parametrize(
    "network",
    ["relu", fg.Network("tanh", width=20), fg.Network("relu", width=90), "step", "polynomial"],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_rate_is_measured(network, dtype, small_samples, cache):
    plan = fg.plan(5000, 7, network, dtype=dtype)
    assert plan.remarks == ()
    assert cache.exists()
    rates = dataclasses.asdict(plan.rates)
    assert all(0.0 < rate < np.inf for rate in rates.values())
    again = fg.plan(5000, 7, network, dtype=dtype)
    assert again.rates == plan.rates


def test_rows_of_many_norms_are_measured_as_they_are(small_samples, cache):
    X = fg.datasets.sphere(500, 5, 0) * np.linspace(1.0, 2.0, 500)[:, None]
    plan = plan_of(fg.GramOperator(X, "tanh"))
    kept = json.loads(cache.read_text())["rates"]
    assert len(kept) == 2  # of the machine and of vectors
    assert plan.rates.entries > 0.0


@pytest.mark.parametrize("network", ["relu", fg.Network("tanh", width=20)])
def test_rates_of_a_gpu(network, small_samples, monkeypatch, as_emulated):  # noqa: F811
    as_emulated()
    monkeypatch.setattr("fastgram.planning.matrix._MOST_ROWS", 48)
    monkeypatch.setattr(measurements, "_VECTOR_ROWS", 60)
    plan = fg.plan(5000, 7, network, device="gpu", block=4)
    assert plan.device == "gpu"
    assert plan.title.endswith("on the gpu")
    assert all(0.0 < rate < np.inf for rate in dataclasses.asdict(plan.rates).values())
