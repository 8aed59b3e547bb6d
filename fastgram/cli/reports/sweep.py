"""One network after the other: their results shown and written as they come."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastgram.cli.reports.report import (
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

__all__ = ["Checkpoints", "run_sweep"]


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """The folder in which each network of a sweep has one of its own, to go on from.

    Attributes
    ----------
    folder : str
    command : str
        That goes on.
    """

    folder: str
    command: str

    def of(self, network: Network) -> Path:
        """Return the folder of a network: the same whichever others are in the sweep."""
        width = "infinite" if network.width is None else f"width-{network.width}"
        words = f"{network.activation.name}-depth-{network.depth}-{width}"
        name = re.sub(r"[^A-Za-z0-9_.=]+", "-", words)
        if name != words or len(name) > 100:
            name = f"{name[:80]}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
        return Path(self.folder) / name

    def check(self, task: Task, networks: Sequence[Network]) -> None:
        """Refuse what holds runs on other rows or another network, before anything is computed."""
        from fastgram.eigenvalues.extreme import default_block
        from fastgram.eigenvalues.gram_problem import gram_facts
        from fastgram.linalg.checkpoint import run_facts
        from fastgram.linalg.checkpoint_folder import check_run
        from fastgram.support.arrays import fingerprint
        from fastgram.support.validation import as_rows

        if not self.folder or (Path(self.folder).exists() and not Path(self.folder).is_dir()):
            raise ValueError(f"checkpoint must be a folder, not {self.folder!r}")
        n, request = task.X.shape[0], task.request
        block = min(request.get("block") or request.get("probes") or default_block(n), n)
        rows = fingerprint(as_rows(task.X))
        for network in networks:
            kind, dtype = task.operator["kind"], task.operator["dtype"]
            matrix = gram_facts(rows, network, kind, dtype, ridge=0.0)
            check_run(self.of(network), run_facts(matrix, n, block, request["seed"]))


def run_sweep(
    report: Report,
    task: Task,
    networks: Sequence[Network],
    failures: Mapping[int, Exception],
    texts: Mapping[str, Callable[[list[dict[str, Any]]], str]],
    plot_file: str | None,
    checkpoints: Checkpoints | None = None,
) -> int:
    """Compute one network after the other; what is done is shown even where the run is cut short.

    Of several, one that fails does not keep the others: its row says why. `texts` are the files to
    write anew after each, and what makes their text of the records. Returns the exit status: 1 if
    any failed.
    """
    results: list[Any] = []
    try:
        for place in range(len(networks)):
            results.append(_result(report, task, networks, place, failures.get(place), checkpoints))
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
    checkpoints: Checkpoints | None,
) -> Any:
    """Return the result of one network, or of several the failure of this one."""
    network, live = networks[place], sys.stderr.isatty()
    name = network_name(network, networks)
    if live:
        print(f"{name} ({place + 1} of {len(networks)})", file=sys.stderr)
    try:
        if failure is not None:
            raise failure
        if checkpoints is not None:
            request = {**task.request, "checkpoint": checkpoints.of(network)}
            task = dataclasses.replace(task, request=request)
        return report.solve(task, network, live)
    except FAILURES as error:
        if len(networks) == 1:
            raise task.worded(error) from None
        reason = task.words(error)
        print(f"fastgram: error: {name}: {reason}", file=sys.stderr)
        return Failure(reason)
    except KeyboardInterrupt as interrupt:
        reached = " ".join(str(interrupt).split())  # typer drops it
        if checkpoints is not None:
            reached = f"{reached or 'interrupted; the same call goes on'}: {checkpoints.command}"
        if reached:
            print(f"fastgram: {name}: {reached}", file=sys.stderr)
        raise
