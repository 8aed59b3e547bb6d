"""One case after the other: their results shown and written as they come."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastgram.cli.reports.report import FAILURES, Failure, Report, records, write_whole
from fastgram.cli.sweeps.cases import Case, case_name

__all__ = ["Checkpoints", "run_sweep"]


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """The folder in which each case of a sweep has one of its own, to go on from.

    Attributes
    ----------
    folder : str
    command : str
        That goes on.
    facts : function of a case and the facts of its matrix
        What tells its run from others.
    """

    folder: str
    command: str
    facts: Callable[[Case, dict[str, Any]], dict[str, Any]]

    def of(self, case: Case) -> Path:
        """Return the folder of a case: the same whichever others are in the sweep.

        But one of several files has its path in the name, and alone it has not.
        """
        words = "-".join(_folder_words(case))
        name = re.sub(r"[^A-Za-z0-9_.=]+", "-", words)
        if name != words or len(name) > 100:
            name = f"{name[:80]}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
        return Path(self.folder) / name

    def check(self, cases: Sequence[Case]) -> None:
        """Refuse what holds runs on other rows or another network, before anything is computed."""
        from fastgram.eigenvalues.gram_problem import gram_facts
        from fastgram.linalg.checkpoint_folder import check_run
        from fastgram.support.arrays import fingerprint
        from fastgram.support.validation import as_rows

        if not self.folder or (Path(self.folder).exists() and not Path(self.folder).is_dir()):
            raise ValueError(f"checkpoint must be a folder, not {self.folder!r}")
        rows = {id(case.task.X): case.task.X for case in cases}
        marks = {key: fingerprint(as_rows(X)) for key, X in rows.items()}
        for case in cases:
            task = case.task
            kind, dtype = task.operator["kind"], task.operator["dtype"]
            matrix = gram_facts(marks[id(task.X)], case.network, kind, dtype, ridge=0.0)
            check_run(self.of(case), self.facts(case, matrix))


def _folder_words(case: Case) -> list[str]:
    """Return the words of a case's folder: data in words or one of several files, and a network.

    A kind and variances are told where they are not the usual ones.
    """
    task, network = case.task, case.network
    words = [re.sub("[:,]", "-", str(task.words))] if task.words else []
    words += [task.source] if task.one_of_several else []
    words += [network.activation.name, f"depth-{network.depth}"]
    words.append("infinite" if network.width is None else f"width-{network.width}")
    kind = task.operator["kind"]
    words += [kind] if kind != "gradient" else []
    variances = {
        "weight-variance": (network.weight_variance, 1.0),
        "bias-variance": (network.bias_variance, 0.0),
        "input-weight-variance": (network.input_weight_variance, None),
        "input-bias-variance": (network.input_bias_variance, None),
    }
    return words + [
        f"{name}-{value:.17g}"
        for name, (value, usual) in variances.items()
        if value is not None and value != usual
    ]


def run_sweep(
    report: Report,
    cases: Sequence[Case],
    failures: Mapping[int, Exception],
    texts: Mapping[str, Callable[[list[dict[str, Any]]], str]],
    plot_file: str | None,
    checkpoints: Checkpoints | None = None,
) -> int:
    """Compute one case after the other; what is done is shown even where the run is cut short.

    Of several, one that fails does not keep the others: its row says why. `texts` are the files to
    write anew after each, and what makes their text of the records. Returns the exit status: 1 if
    any failed.
    """
    results: list[Any] = []
    try:
        for place in range(len(cases)):
            results.append(_result(report, cases, place, failures.get(place), checkpoints))
            for file, text in texts.items():
                if file != "-":
                    write_whole(file, text(records(cases, results)))
    finally:
        if results and "-" in texts:
            print(texts["-"](records(cases, results)), end="")
        elif results:
            report.show(cases, results)
        sys.stdout.flush()
    done = [place for place, result in enumerate(results) if not isinstance(result, Failure)]
    if plot_file is not None and done:
        drawn = [cases[place] for place in done], [results[place] for place in done]
        report.draw(plot_file, *drawn)
    return 0 if len(done) == len(cases) else 1


def _result(
    report: Report,
    cases: Sequence[Case],
    place: int,
    failure: Exception | None,
    checkpoints: Checkpoints | None,
) -> Any:
    """Return the result of one case, or of several the failure of this one."""
    case, live = cases[place], sys.stderr.isatty()
    name = case_name(case, cases)
    if live:
        print(f"{name} ({place + 1} of {len(cases)})", file=sys.stderr)
    try:
        if failure is not None:
            raise failure
        if checkpoints is not None:
            request = {**case.task.request, "checkpoint": checkpoints.of(case)}
            case = Case(dataclasses.replace(case.task, request=request), case.network)
        return report.solve(case, live)
    except FAILURES as error:
        if len(cases) == 1:
            raise case.task.worded(error) from None
        reason = case.task.message(error)
        print(f"fastgram: error: {name}: {reason}", file=sys.stderr)
        return Failure(reason)
    except KeyboardInterrupt as interrupt:
        reached = " ".join(str(interrupt).split())  # typer drops it
        if checkpoints is not None:
            reached = f"{reached or 'interrupted; the same call goes on'}: {checkpoints.command}"
        if reached:
            print(f"fastgram: {name}: {reached}", file=sys.stderr)
        raise
