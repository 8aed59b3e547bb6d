"""A device is at the next pass while the host looks, and nothing comes out otherwise for it."""

import numpy as np
import pytest
from helpers.matrices import matrix_with
from helpers.other_device import OtherDevice, kernel, transfers
from helpers.plain_request import plain_request
from helpers.stated_problem import stated

from fastgram.eigenvalues.adapters import as_problem
from fastgram.eigenvalues.methods import lanczos, working_ahead
from fastgram.eigenvalues.methods.lanczos import run_lanczos
from fastgram.eigenvalues.methods.working_ahead import WorkingAhead
from fastgram.eigenvalues.request import Until
from fastgram.linalg.checkpoint_folder import opened

MATRIX = matrix_with(np.geomspace(1e-2, 1.0, 300))


@pytest.fixture
def events(monkeypatch):
    """What happens, in order; passes are begun before looks wherever that is possible at all."""
    events, look = [], lanczos._Passes._look

    def noting(passes):
        events.append("look")
        look(passes)

    monkeypatch.setattr(lanczos._Passes, "_look", noting)
    monkeypatch.setattr(WorkingAhead, "pays", property(lambda self: self._possible))
    return events


def problem(events=None, ahead=True):
    """On the other device, which works by itself or does not."""
    given = as_problem(MATRIX)

    def multiply(V):
        if events is not None:
            events.append("product")
        return given.multiply(V)

    return stated(
        given,
        multiply=kernel(multiply),
        multiplies_by_itself=lambda columns: ahead,
        device=OtherDevice(),
    )


def in_turn(found):
    """Return the products before each look, and after the last one."""
    return [part.count("product") for part in _split(found)]


def _split(found):
    parts = [[]]
    for event in found:
        if event == "look":
            parts.append([])
        else:
            parts[-1].append(event)
    return parts


def numbers(answer):
    brackets = [(end.lower, end.upper, end.estimate) for end in (answer.smallest, answer.largest)]
    return brackets, answer.passes, answer.noise_floor, answer.message


def test_a_product_is_under_way_at_every_look_but_where_the_run_may_end(events):
    answer = run_lanczos(problem(events), plain_request())
    ahead = np.cumsum(in_turn(events))
    events.clear()
    plain = run_lanczos(problem(events, ahead=False), plain_request())
    behind = np.cumsum(in_turn(events))
    assert numbers(answer) == numbers(plain)
    assert len(ahead) == len(behind)  # as many looks
    begun = ahead - behind
    assert set(begun) == {0, 1}
    assert np.count_nonzero(begun) > len(begun) // 2
    assert behind[-1] == plain.passes
    assert ahead[-1] <= answer.passes + 1


def test_a_look_waits_for_nothing_that_was_begun(events, monkeypatch):
    moved = []
    excess = lanczos.excess

    def watched(*arguments):
        with transfers() as seen:
            found = excess(*arguments)
        moved.extend(seen)
        return found

    monkeypatch.setattr(lanczos, "excess", watched)
    run_lanczos(problem(events), plain_request(max_passes=12))
    assert moved == []


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_no_pass_beyond_the_last_is_begun(limit, events):
    answer = run_lanczos(problem(events), plain_request(max_passes=limit))
    assert answer.passes == limit
    assert events.count("product") == limit


def test_a_run_that_restarts(events):
    asked = plain_request(basis_bytes=8 * 300 * 40, max_passes=25)
    answers = [run_lanczos(problem(events, ahead), asked) for ahead in (True, False)]
    assert numbers(answers[0]) == numbers(answers[1])


def test_a_callback_is_told_of_passes_that_are_done(events):
    told = []

    def callback(smallest, largest):
        told.append(events.count("product"))
        return len(told) == 6

    answer = run_lanczos(problem(events), plain_request(until=Until(callback=callback)))
    assert answer.passes == 6
    assert told == [1, 2, 3, 4, 5, 6]


def test_what_was_begun_is_not_in_a_checkpoint(events, tmp_path):
    def run(**asked):
        with opened(tmp_path) as folder:
            return run_lanczos(problem(events), plain_request(checkpoint=folder, **asked))

    run(max_passes=9)
    assert len([*tmp_path.glob("*.npz")]) == 9
    events.clear()
    answer = run()
    assert len([*tmp_path.glob("*.npz")]) == answer.passes
    assert "product" not in events[:2]  # of what is read nothing is begun
    plain = run_lanczos(problem(ahead=False), plain_request())
    assert numbers(answer) == numbers(plain)


def test_an_interrupt_counts_what_is_done(events, monkeypatch):
    look, looks = lanczos._Passes._look, iter(range(100))

    def interrupted(passes):
        look(passes)
        if next(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(lanczos._Passes, "_look", interrupted)
    with pytest.raises(KeyboardInterrupt, match="interrupted after 5 passes; λ_min"):
        run_lanczos(problem(events), plain_request())
    assert events.count("product") == 6


def test_it_pays_where_passes_do_not_take_much_longer_than_looks(monkeypatch):
    class Run:
        def begin(self):
            pass

    def take(measure, seconds):
        clock = iter([100.0, 100.0 + seconds])
        monkeypatch.setattr(working_ahead.time, "perf_counter", lambda: next(clock))
        with measure():
            pass

    ahead = WorkingAhead(True)
    assert not ahead.pays  # nothing is known
    for passes, looks, pays in ((2.0, 1.0, True), (15.0, 1.0, True), (17.0, 1.0, False)):
        for measure, seconds in ((ahead.a_pass, passes), (ahead.a_look, looks)):
            take(measure, seconds)
        assert ahead.pays is pays
    ahead.begin(Run())
    take(ahead.a_pass, 0.1)  # what is left of one that was begun says nothing
    assert not ahead.pays
    take(ahead.a_pass, 0.1)
    assert ahead.pays
