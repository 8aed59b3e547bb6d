"""Fixtures of the command line: rows in a file, and answers made up in the place of long work."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.commands import in_turn
from helpers.extremes import Operator, X

from fastgram.eigenvalues import extreme
from fastgram.matrix import operator


@pytest.fixture
def answers(monkeypatch):
    """Make extreme_eigenvalues answer with these, in turn; an exception is raised."""

    def arrange(*results):
        fake, calls = in_turn(*results)
        monkeypatch.setattr(operator, "GramOperator", Operator)
        monkeypatch.setattr(extreme, "extreme_eigenvalues", fake)
        return calls

    return arrange


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, X)
    return str(path)
