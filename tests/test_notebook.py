"""A notebook in a real kernel: tables, progress as a widget, figures below their cells."""

from __future__ import annotations

from pathlib import Path

import pytest

import fastgram

ROOT = Path(fastgram.__file__).parent.parent
# Each is a cell; what stands last in it is shown.
CELLS = {
    "operator": "import fastgram as fg\nX = fg.datasets.circle(40)\n"
    "op = fg.GramOperator(X, 'relu')\nop",
    "answer": "fg.extreme_eigenvalues(op, method='lanczos', block=2, rtol=0.5, progress=True)",
    "density": "density = fg.spectral_density(op, probes=2, passes=4)\ndensity.plot()",
    "late": "import time\nfrom fastgram.support import progress\nprogress.LATE_SECONDS = 0.05\n"
    "with progress.late_stage(True, 'a stage'):\n"
    "    time.sleep(0.5)\n    progress.advance(1, 2)",
}
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell shows, by the cell's name."""
    pytest.importorskip("ipykernel")
    pytest.importorskip("ipywidgets")
    client = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(code) for code in CELLS.values()]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name)))
        client.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": ROOT}}
        ).execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


def kinds(found):
    return {kind for output in found for kind in output.get("data", {})}


@pytest.mark.slow
def test_nothing_is_written_to_standard_error(outputs):
    streams = [
        part.text for found in outputs.values() for part in found if part.output_type == "stream"
    ]
    assert streams == []


@pytest.mark.slow
def test_objects_are_tables(outputs):
    for name, words in (("operator", "gradient"), ("answer", "λ_min")):
        pages = [
            part.data["text/html"] for part in outputs[name] if "text/html" in part.get("data", {})
        ]
        assert len(pages) == 1
        assert "<table>" in pages[0]
        assert words in pages[0]


@pytest.mark.slow
def test_progress_is_a_widget(outputs):
    for name in ("answer", "late"):
        assert WIDGET in kinds(outputs[name])


@pytest.mark.slow
def test_a_plot_is_shown(outputs):
    assert "image/png" in kinds(outputs["density"])
