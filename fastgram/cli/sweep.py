"""One network after the other: their results shown and written as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgram.cli.report import (
    FAILURES,
    Failure,
    Report,
    Task,
    network_name,
    records,
    write_whole,
)

if TYPE_CHECKING:
    from fastgram.network.network import Network

__all__ = ["run_sweep"]


def run_sweep(
    report: Report,
    task: Task,
    networks: Sequence[Network],
    failures: Mapping[int, Exception],
    texts: Mapping[str, Callable[[list[dict[str, Any]]], str]],
    plot_file: str | None,
) -> int:
    """Compute one network after the other; what is done is shown even where the run is cut short.

    Of several, one that fails does not keep the others: its row says why. `texts` are the files to
    write anew after each, and what makes their text of the records. Returns the exit status: 1 if
    any failed.
    """
    results: list[Any] = []
    try:
        for place in range(len(networks)):
            results.append(_result(report, task, networks, place, failures.get(place)))
            for file, text in texts.items():
                if file != "-":
                    write_whole(file, text(records(task, networks, results)))
    finally:
        if results and "-" in texts:
            print(texts["-"](records(task, networks, results)), end="")
        elif results:
            report.show(task, networks, results)
        sys.stdout.flush()
    done = [place for place, result in enumerate(results) if not isinstance(result, Failure)]
    if plot_file is not None and done:
        drawn = [networks[place] for place in done], [results[place] for place in done]
        report.draw(plot_file, task, *drawn)
    return 0 if len(done) == len(networks) else 1


def _result(
    report: Report,
    task: Task,
    networks: Sequence[Network],
    place: int,
    failure: Exception | None,
) -> Any:
    """Return the result of one network, or of several the failure of this one."""
    network, live = networks[place], sys.stderr.isatty()
    name = network_name(network, networks)
    if live:
        print(f"{name} ({place + 1} of {len(networks)})", file=sys.stderr)
    try:
        if failure is not None:
            raise failure
        return report.solve(task, network, live)
    except FAILURES as error:
        if len(networks) == 1:
            raise task.worded(error) from None
        reason = task.words(error)
        print(f"fastgram: error: {name}: {reason}", file=sys.stderr)
        return Failure(reason)
    except KeyboardInterrupt as interrupt:
        if reached := " ".join(str(interrupt).split()):  # typer drops it
            print(f"fastgram: {name}: {reached}", file=sys.stderr)
        raise
