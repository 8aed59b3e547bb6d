"""What multiplies is made under a line of its own, before the first pass."""

from __future__ import annotations

import contextlib

import pytest

import fastgram as fg
from fastgram.eigenvalues.methods import auto, certified


class Reached(Exception):
    pass


@pytest.mark.parametrize(
    ("module", "method", "choice"),
    [(auto, "auto", "choose"), (certified, "certified", "factorisation_option")],
)
def test_tables_are_a_stage(module, method, choice, monkeypatch):
    shown = []

    @contextlib.contextmanager
    def line(show, title):
        shown.append((show, title))
        yield
        shown.clear()

    def stop(*_):
        raise Reached

    monkeypatch.setattr(module, "late_stage", line)
    monkeypatch.setattr(module, choice, stop)
    with pytest.raises(Reached):
        fg.extreme_eigenvalues(
            fg.GramOperator(fg.datasets.circle(40), "relu"), method=method, progress=True
        )
    assert shown == [(True, "tables")]
