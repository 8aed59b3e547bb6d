"""Variants of the fused product, in turn on one card: `python -m bench.gpu --variant all`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from bench.gpu.cases import Scale
from bench.gpu.checks import Problem
from bench.gpu.runs import Runs
from fastgram.devices.device import Device
from fastgram.devices.gpu import Gpu
from fastgram.kernels.cuda.launch import Kernels
from fastgram.kernels.cuda.variants import PRESENT, VARIANTS, Variant

__all__ = ["choose", "compare"]


_MADE: WeakKeyDictionary[Gpu, dict[Variant, Kernels]] = WeakKeyDictionary()  # compiled once


def choose(devices: tuple[Device, ...], variant: Variant) -> None:
    """Make the fused products of all GPUs in one way."""
    for device in devices:
        assert isinstance(device, Gpu)
        made = _MADE.setdefault(device, {device.kernels.variant: device.kernels})
        if variant not in made:
            made[variant] = device.kernels_of(variant)
        device.kernels = made[variant]


def compare(runs: Runs, scale: Scale) -> None:
    """Time the passes of every variant, the cases that cost least first."""
    small, medium, large = scale.orders[0], scale.orders[-2], scale.orders[-1]
    usual, few, many = scale.dimensions[0], scale.dimensions[1], scale.dimensions[-1]
    one, some, most = scale.columns[0], scale.columns[-2], scale.columns[-1]
    cases = (
        (small, usual, some),
        (medium, usual, most),
        (medium, many, most),
        (large, few, one),
        (large, usual, one),
        (large, usual, most),
        (large, many, one),
    )
    for n, d, columns in dict.fromkeys(cases):
        runs.attempt(f"variants n={n} d={d} b={columns}", 0.0, time_variants, n, d, columns)


def time_variants(runs: Runs, case: str, n: int, d: int, columns: int) -> None:
    """Time one pass of each variant that is right, against the present one and the floor."""
    problem = Problem(runs, n, d, "relu")
    passes: dict[str, Callable[[], Any]] = {}
    for name in VARIANTS:
        runs.attempt(f"{case} {name}", 0.0, _prepare, name, problem, columns, passes)
    *seconds, gemm = runs.in_turn(*passes.values(), runs.multiply_squares)
    choose(runs.devices, PRESENT)
    rate = runs.square_flops / gemm
    by_name = dict(zip(passes, seconds, strict=True))
    for name, own in by_name.items():
        runs.add(f"{case} {name}", "", own, "s")
        runs.add(f"{case} {name}", "/ floor", own * rate / (n * n * d), "ratio")
        picoseconds = 1e12 * own / (0.5 * n * n)
        runs.add(f"{case} {name}", "an entry of the triangle", picoseconds, "ps")
        if "present" in by_name:
            present = np.median(by_name["present"])
            runs.add(f"{case} {name}", "/ present", own / present, "ratio")


def _prepare(
    runs: Runs,
    case: str,
    name: str,
    problem: Problem,
    columns: int,
    passes: dict[str, Callable[[], Any]],
) -> None:
    """Check a variant's product, and keep the pass that is timed."""
    variant = VARIANTS[name]
    choose(runs.devices, variant)
    assert problem.op.multiplication(columns) == "fused", "the product is not fused"
    multiply = problem.pass_of(columns)

    def run() -> Any:
        choose(runs.devices, variant)
        return multiply()

    passes[name] = run
