"""One row of the tables: fastgram's time, and the ratio of each peer's time to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.floors import in_turn
from bench.peers.process import Failed, Peer
from bench.results import Figure

__all__ = ["Contender", "Row", "command", "measure"]


@dataclass(frozen=True)
class Contender:
    """A peer: its column, how to start it, and whether what it answers is right.

    Attributes
    ----------
    column : str
    command : sequence of str
        Starts a process that speaks as process.py says.
    right : callable
        From the process's answer to True or False.
    scale : float
        By how much its task is smaller than fastgram's: its time is multiplied by this.
    note : str
        To be said with the figure.
    """

    column: str
    command: Sequence[str]
    right: Callable[[dict[str, Any]], bool]
    scale: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A task, fastgram's own figure, and by column the figure of each peer or a word instead."""

    task: str
    own: Figure
    cells: dict[str, Figure | str]


def command(task: str, *arguments: object) -> list[str]:
    """Return the command that starts a peer of this environment."""
    return [sys.executable, "-m", "bench.peers.child", task, *map(str, arguments)]


def measure(
    task: str,
    ours: Callable[[], Any],
    contenders: Iterable[Contender],
    *,
    unit: str,
    per: float,
    rounds: int,
    cap: float,
) -> Row:
    """Run fastgram and each peer in turn; fastgram's figure is its seconds times `per`."""
    ours()  # whatever is compiled or chosen at the first call
    seconds: list[float] = []

    def timed() -> None:
        start = time.perf_counter()
        ours()
        seconds.append(time.perf_counter() - start)

    for _ in range(rounds):
        timed()
    case = f"{task} float64"
    cells = {
        contender.column: _against(case, timed, contender, rounds, cap, max(seconds))
        for contender in contenders
    }
    own = Figure.of(case, "fastgram", [per * value for value in seconds], unit)
    return Row(task, own, cells)


def _against(
    case: str,
    ours: Callable[[], None],
    contender: Contender,
    rounds: int,
    cap: float,
    longest: float,
) -> Figure | str:
    """Return the ratio of times of the two, or a word where there is none."""
    what = f"{contender.column} / fastgram"
    with Peer(contender.command, cap) as peer:
        try:
            if not contender.right(peer.answer()):
                return "wrong"
            # the line that starts a run and the one that ends it cost some 0.1 ms
            ratio = in_turn(peer.run, ours, rounds)
        except TimeoutError:
            least = contender.scale * cap / longest
            return Figure(case, what, least, least, least, "ratio", f"stopped after {cap:.0f} s")
        except Failed as failure:
            print(f"{contender.column} failed at {case}: {failure}", file=sys.stderr)
            return "failed"
    median, least, largest = (contender.scale * value for value in ratio)
    return Figure(case, what, median, least, largest, "ratio", contender.note)
