"""Fixtures of plans: rates made up in the place of measurements."""

from __future__ import annotations

import pytest
from helpers.made_up_rates import instead_of_measuring


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "fastgram" / "rates.json"


@pytest.fixture
def measured(cache, monkeypatch):
    return instead_of_measuring(monkeypatch, cache.parent.parent)
