"""Scratch memory: lent again, kept up to a limit, and given back."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.other_device import OtherDevice

import fastgram as fg
from fastgram.devices.cpu import CPU
from fastgram.devices.scratch import Scratch

DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)


def test_an_array_is_lent_again_but_never_twice_at_a_time():
    scratch = Scratch(10**6)
    with scratch.lend(100, DOUBLE) as first, scratch.lend(100, DOUBLE) as second:
        assert not np.shares_memory(first, second)
    with scratch.lend(100, DOUBLE) as again:
        assert again is first or again is second
    with scratch.lend(100, SINGLE) as other:
        assert (other.size, other.dtype) == (100, SINGLE)


def test_no_more_is_kept_than_the_limit():
    scratch = Scratch(2000)
    with scratch.lend(100, DOUBLE), scratch.lend(101, DOUBLE), scratch.lend(102, DOUBLE) as latest:
        pass
    assert scratch.idle_bytes <= 2000
    with scratch.lend(1000, DOUBLE):
        assert scratch.idle_bytes <= 2000
    assert scratch.idle_bytes <= 2000
    del latest


def test_it_comes_back_where_a_traversal_fails():
    scratch = Scratch(10**6)
    with pytest.raises(ZeroDivisionError), scratch.lend(10, DOUBLE):
        raise ZeroDivisionError
    assert scratch.idle_bytes == 80


def test_an_operator_that_forgets_gives_it_back():
    op = fg.GramOperator(fg.datasets.circle(9), "relu")
    op @ np.ones(9)
    assert CPU._scratch.idle_bytes > 0
    op.forget()
    assert CPU._scratch.idle_bytes == 0


def test_what_a_gpu_has_a_copy_of_is_not_written_to():
    """The copy is found by the array: it would be another one's afterwards."""
    device, weights = OtherDevice(), np.arange(3.0)
    device.device_copy(weights)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 1.0
