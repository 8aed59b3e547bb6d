"""The networks that options speak of: all combinations of their values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastgram.cli.options import INFINITE
from fastgram.support.validation import as_choice, as_integer

if TYPE_CHECKING:
    from fastgram.network.network import Network

__all__ = ["networks_of"]


def networks_of(
    activations: Sequence[str],
    depths: Sequence[int],
    widths: Sequence[str],
    *,
    normalize: bool,
    readout: str,
    seed: int,
    **variances: Any,
) -> list[Network]:
    """Return the networks of all combinations; `variances` are numbers or lists.

    Each stands once, however often and by whichever of its names it is asked for.
    """
    from fastgram.network.network import READOUTS, Network

    fixed: dict[str, Any] = {
        "normalize": normalize,
        "readout": as_choice("readout", readout, READOUTS),
        "seed": as_integer("network-seed", seed, 0),  # which --seed is not
    }
    swept = [value if isinstance(value, list) else [value] for value in variances.values()]
    shapes = itertools.product(activations, depths, map(_as_width, widths), *swept)
    networks = (
        Network(
            name,
            depth=layers,
            width=neurons,
            **dict(zip(variances, values, strict=True)),
            **fixed,
        )
        for name, layers, neurons, *values in dict.fromkeys(shapes)
    )
    return list(dict.fromkeys(networks))


def _as_width(text: str) -> int | None:
    """Return a number of neurons from "1000", None from "infinite"."""
    if text == INFINITE:
        return None
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"width must be an integer of at least 1 or {INFINITE}, not {text!r}")
    return number
