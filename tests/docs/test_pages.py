"""Every block of code that README and the site's pages show runs, and prints what they say."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from helpers.pages import blocks_of, commands_of, difference

import fastgram as fg
from fastgram.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if not {"_build", "gallery", "study"} & set(path.parts)
    and path != ROOT / "docs/README.md"  # which shows blocks to speak of them
)


def has_what_runs(page):
    return any(block.runs for block in blocks_of((ROOT / page).read_text("utf-8")))


@pytest.fixture(scope="session")
def rows():
    return fg.datasets.sphere(60, 5, seed=0)


@pytest.fixture
def folder(tmp_path, monkeypatch, rows):
    """A folder to run a page in, with rows and a table."""
    np.save(tmp_path / "rows.npy", rows)
    lines = [",".join(["x1", "x2", "x3", "x4", "x5", "kind"])]
    lines += [",".join([*map(repr, row.tolist()), "ab"[int(row[0] > 0)]]) for row in rows]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)


def run_block(block, page, namespace):
    """Run a block as Python or as commands, and return what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        if block.language == "python":
            exec(compile_block(block, page), namespace)
        else:
            for words in commands_of(block.text):
                status = main(words)
                assert status == 0, f"{page}:{block.line}: {printed.getvalue()}"
    return printed.getvalue()


def compile_block(block, page):
    # lines are counted from the page's first
    return compile("\n" * block.line + block.text, page, "exec")


def run_page(text, page="page.md"):
    namespace = {"__name__": "page"}
    for block in blocks_of(text):
        if block.runs:
            printed = run_block(block, page, namespace)
            if block.printed is not None:
                wrong = difference(printed, block.printed)
                assert wrong is None, f"{page}:{block.line}: {wrong}"


def check_page(text, page="page.md"):
    for block in blocks_of(text):
        if block.language == "python":
            compile_block(block, page)
            continue
        for words in commands_of(block.text):
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(printed):
                status = main([*words, "--help"])  # which reads the options first
            assert status == 0, f"{page}:{block.line}: {printed.getvalue()}"


@pytest.fixture
def _no_help(monkeypatch):
    """Leave help out once options are read: drawing it takes nearly all of the time."""
    monkeypatch.setattr("typer.rich_utils.rich_format_help", lambda **_: None)


@pytest.mark.usefixtures("_no_help")
def test_all_pages_compile_and_their_commands_have_these_options():
    for page in PAGES:
        check_page((ROOT / page).read_text("utf-8"), page)


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("page", [page for page in PAGES if has_what_runs(page)])
def test_a_page_runs(page):
    run_page((ROOT / page).read_text("utf-8"), page)


def page_of(*blocks):
    return "\n\n".join(blocks)


@pytest.mark.parametrize(
    ("printed", "right"),
    [
        ("λ_min 0.0101 in [0.01, 0.02]", True),
        ("λ_min 0.0135 in [0.01, 0.02]", False),
        ("λ_max 0.0101 in [0.01, 0.02]", False),
        ("λ_min 0.0101 in [0.01, 0.02] (certified)", False),
    ],
)
def test_what_a_page_prints_is_compared(printed, right):
    text = page_of(f'```python\nprint("{printed}")\n```', "prints, at last,", "```\nλ_min 0.01 in")
    text += " [0.01, 0.02]\n```"
    if right:
        run_page(text)
    else:
        with pytest.raises(AssertionError, match=r"page\.md:1"):
            run_page(text)
    with pytest.raises(AssertionError, match="words differ"):
        run_page('```python\nprint("one")\n```\n\nprints `two`.')


def test_times_sizes_and_tables_are_the_machines():
    assert difference("took 3.2 s and 5 MB", "took 1 min and 4 GB") is None
    one = " name   passes   seconds\n──────\n relu        3       8.1\n"
    other = " name   passes   seconds\n────\n relu   3   0.4\n(1) note\n"
    assert difference(one + "(1) note", other) is None
    assert difference(one + "(2) note", other) is not None
    assert difference("3.3e-09", "1.2e-09") is None
    assert difference("3.3e-07", "1.2e-09") is not None
    assert difference("0", "1.2e-09") is not None


def test_blocks_go_on_from_each_other_and_marked_ones_are_only_compiled():
    not_run = "<!-- not run: it needs a GPU -->\n```python\nraise SystemExit\n```"
    run_page(page_of("```python\nx = 1\n```", not_run, "```python\nassert x == 1\n```"))
    with pytest.raises(SyntaxError):
        check_page(not_run.replace("raise", "raise ="))
    with pytest.raises(ZeroDivisionError) as caught:
        run_page("# A page\n\n```python\n1 / 0\n```")
    assert caught.traceback[-1].lineno == 3  # counted from 0: line 4 of the page


@pytest.mark.usefixtures("folder", "_no_help")
def test_commands_of_a_page_are_checked_and_run_where_marked():
    check_page("```sh\npython -m venv x && .venv/bin/fastgram spectrum x.npy -a relu  # so\n```")
    with pytest.raises(AssertionError, match=r"page\.md:1: .*--nonsense"):
        check_page("```sh\nfastgram spectrum rows.npy \\\n  --nonsense 3\n```")
    run_page("```sh\nfastgram spectrum missing.npy\n```")
    with pytest.raises(AssertionError, match="No such file"):
        run_page("<!-- run -->\n```sh\nfastgram spectrum missing.npy\n```")
    run_page(
        page_of(
            "<!-- run -->\n```sh\nfastgram --version\n```", f"prints `fastgram {fg.__version__}`."
        )
    )
