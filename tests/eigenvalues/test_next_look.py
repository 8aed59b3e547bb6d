"""When brackets are looked at: rarely, hardly too late, and by the run's own numbers alone."""

import math

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.plain_request import plain_request

import fastgram as fg
from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods import lanczos
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.methods.next_look import NextLook, furthest_look
from fastgram.eigenvalues.request import PassBudget, Until

FLAT = np.concatenate([np.linspace(1.0, 3.0, 799), [40.0]])
# as of rows in many dimensions: gauges fall in steps, as zeros of the polynomials go to either part
STEPS = np.concatenate([np.linspace(1.0, 1.3, 500), np.linspace(80, 120, 280), np.full(20, 7e3)])


class EveryPass(NextLook):
    """A look at every pass."""

    def plan(self, passes, ends):
        self.due = passes + 1


@pytest.fixture
def looked(monkeypatch):
    """The passes at which a run looked."""
    passes, excess = [], lanczos.excess

    def noting(run, *arguments):
        passes.append(run.passes)
        return excess(run, *arguments)

    monkeypatch.setattr(lanczos, "excess", noting)
    return passes


def test_a_line_is_followed_for_a_part_of_the_way():
    look = NextLook(1000, 8)
    assert look.due == 1
    look.plan(10, [(9.0, math.inf), (-1.0, 9.0)])
    assert look.due == 10 + 3  # nothing is known of its fall: a third further
    look.plan(14, [(5.0, math.inf), (-1.0, 9.0)])
    assert look.due == 14 + int(0.8 * 5)  # 1 a pass
    look.plan(40, [(3.9, math.inf), (-1.0, 9.0)])
    assert look.due == 40 + 5  # far off
    look.plan(67, [(0.1, math.inf), (-1.0, 9.0)])
    assert look.due == 68
    look.plan(68, [(0.2, math.inf), (-1.0, 9.0)])  # it rises
    assert look.due == 68 + 5
    look.plan(200, [(0.1999, math.inf), (-1.0, 9.0)])
    assert look.due == 200 + 12  # of many passes a sixteenth


@pytest.mark.parametrize(
    ("n", "block", "passes", "step"),
    [
        (2**18, 32, 28, 1),
        (2**18, 32, 90, 2),
        (2**17, 32, 28, 3),
        (2**14, 16, 60, 5),
        (2**20, 1, 300, 9),
    ],
)
def test_where_a_pass_takes_much_longer_than_a_look_there_are_more(n, block, passes, step):
    assert furthest_look(passes, n, block) == passes + step


def test_a_large_matrix_is_looked_at_every_pass_although_the_end_seems_far():
    look = NextLook(300_000, 32)
    look.plan(20, [(9.0, math.inf), (-1.0, 9.0)])
    look.plan(21, [(8.9, math.inf), (-1.0, 9.0)])
    assert look.due == 22


def test_either_gauge_closes_an_end_and_both_ends_are_waited_for():
    look = NextLook(1000, 8)
    look.plan(100, [(20.0, 10.0), (20.0, 10.0)])
    look.plan(110, [(19.0, 5.0), (10.0, 10.0)])
    # the low end sinks in 10 passes, the high end is narrow in 10
    assert look.due == 110 + 6
    look = NextLook(1000, 8, (103, 130))
    look.plan(100, [(20.0, 10.0), (20.0, 10.0)])
    assert look.due == 103
    look.plan(103, [(20.0, 10.0), (20.0, 10.0)])
    assert look.due == 103 + 6
    assert PassBudget(21).marks == (11, 21, 42)


@pytest.mark.slow
@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize(("values", "rtol"), [(FLAT, 0.3), (FLAT, 1e-2), (STEPS, 0.1)])
def test_few_looks_and_hardly_a_pass_more(looked, monkeypatch, block, values, rtol):
    asked = plain_request(rtol=rtol, block=block)
    answer = run_lanczos(as_problem(matrix_with(values)), asked)
    rare = len(looked)
    looked.clear()
    monkeypatch.setattr(lanczos, "NextLook", EveryPass)
    first = run_lanczos(as_problem(matrix_with(values)), asked)
    assert len(looked) == first.passes
    assert first.passes <= answer.passes <= first.passes + 2
    assert rare <= 8 + 0.4 * first.passes
    for end, truth in ((answer.smallest, values.min()), (answer.largest, values.max())):
        assert end.lower <= truth <= end.upper
        assert end.within(rtol)


@pytest.mark.slow
def test_a_callback_that_only_watches_changes_nothing():
    problem, seen = as_problem(matrix_with(FLAT)), []
    alone = run_lanczos(problem, plain_request())
    until = Until(callback=lambda smallest, largest: seen.append(smallest))
    watched = run_lanczos(problem, plain_request(until=until))
    assert (watched.smallest, watched.largest) == (alone.smallest, alone.largest)
    assert watched.passes == alone.passes
    assert len(seen) >= 16 + (alone.passes - 16) // 4 - 1  # every pass at first, and then every few


@pytest.mark.slow
def test_a_run_that_is_taken_up_looks_where_it_would_have(looked, tmp_path):
    X = fg.datasets.sphere(400, 20, 0)
    asked = {"method": "lanczos", "block": 4, "rtol": 1e-2}
    whole = fg.extreme_eigenvalues(fg.GramOperator(X), **asked)
    of_whole = list(looked)
    looked.clear()
    for passes in (7, None):
        part = fg.extreme_eigenvalues(
            fg.GramOperator(X), **asked, checkpoint=tmp_path, max_passes=passes
        )
    assert (part.smallest, part.largest, part.passes) == (
        whole.smallest,
        whole.largest,
        whole.passes,
    )
    assert looked[-len(of_whole) :] == of_whole


def test_an_end_that_sinks_below_the_noise_floor_is_seen_in_time(looked, monkeypatch):
    X = fg.datasets.sphere(300, 2, 0)
    asked = plain_request(rtol=0.1, block=8)
    answer = run_lanczos(as_problem(fg.GramOperator(X, "tanh")), asked)
    monkeypatch.setattr(lanczos, "NextLook", EveryPass)
    first = run_lanczos(as_problem(fg.GramOperator(X, "tanh")), asked)
    assert "noise floor" in first.message
    assert first.passes <= answer.passes <= first.passes + 2
