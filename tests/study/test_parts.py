"""Every part keeps what the machinery asks of it."""

from __future__ import annotations

import pytest

from fastgram.study.catalogue import load_part, part_names
from fastgram.study.part import Part
from fastgram.study.result import StudyResult


@pytest.fixture(params=part_names())
def part(request):
    return load_part(request.param)


def test_a_part_says_what_it_is(part):
    assert isinstance(part, Part)
    assert part.name in part_names()
    assert load_part(part.name) is part
    for words in (part.title, part.claim, part.derivation):
        assert words.strip()
    assert "\n" not in part.title
    assert part.panels in (1, 2)
    columns = part.parameters + part.values
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("size", ["quick", "default", "full"])
def test_cases(part, size):
    cases = part.cases(size, 2)
    assert cases
    assert len({case.key for case in cases}) == len(cases)
    for case in cases:
        assert tuple(case.parameters) == part.parameters or set(case.parameters) < set(
            part.parameters
        )
    assert cases == part.cases(size, 2)


def test_without_rows(part):
    verdicts = part.verdicts([])
    assert all(verdict.word == "cannot be said" for verdict in verdicts)
    assert part.seen([], verdicts)
    result = StudyResult(part, "quick", 1, [], [], verdicts, "")
    assert result.to_dict()["rows"] == 0


@pytest.mark.parametrize("name", ["width", "training"])
def test_rows_owe_nothing_to_the_weights(name):
    """One seed for both would make the first weights the rows, up to their norms."""
    for size in ("quick", "default", "full"):
        cases = load_part(name).cases(size, 2000)
        (rows,) = {case.data for case in cases}
        assert int(rows.rpartition("seed=")[2]) not in {case.seed for case in cases}
