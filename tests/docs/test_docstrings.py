"""The examples in the docstrings of public names run."""

from __future__ import annotations

import doctest
import inspect

import pytest

import fastgram as fg
import fastgram.exact
import fastgram.sklearn
import fastgram.study

PUBLIC = {
    getattr(module, name): name
    for module in (fg, fg.datasets, fastgram.exact, fastgram.sklearn, fastgram.study)
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name))
}


def examples_of(public, name):
    """Return the examples of a function, or of a class, its methods and those of its bases."""
    parts = public.__mro__ if isinstance(public, type) else [public]
    ours = [part for part in parts if part.__module__.partition(".")[0] in ("fastgram", __name__)]
    return [test for part in ours for test in doctest.DocTestFinder().find(part, name)]


def run_examples(public, name):
    """Run the examples and return how many failed."""
    runner = doctest.DocTestRunner()
    for test in examples_of(public, name):
        runner.run(test)
    return runner.summarize(verbose=False).failed


@pytest.mark.parametrize("public", PUBLIC, ids=PUBLIC.values())
def test_examples_of_a_docstring(public, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_examples(public, PUBLIC[public]) == 0


def test_methods_have_examples_that_run():
    found = {test.name for test in examples_of(fg.Network, "Network") if test.examples}
    assert found >= {"Network.replace", "Network.kernel", "Network.power_series"}


def test_a_wrong_example_is_seen(capsys):
    def wrong():
        """Add.

        >>> 1 + 1
        3
        """

    assert run_examples(wrong, "wrong") == 1
    assert "Expected:\n    3\nGot:\n    2" in capsys.readouterr().out
