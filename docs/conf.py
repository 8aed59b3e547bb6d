"""Sphinx's configuration: `python -m sphinx -W -b html docs docs/_build` builds the site."""

from __future__ import annotations

import sys
from pathlib import Path

import fastgram

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE / "_extensions"))

project = "fastgram"
copyright = "the authors of fastgram"
release = version = fastgram.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "offline_math",
    "whole_site",
]
exclude_patterns = ["_build", "examples", "study", "README.md"]
if (_HERE / "study" / "index.html").is_file():  # made by `fastgram study`
    tags.add("study")  # noqa: F821  # Sphinx has it here
nitpicky = True
nitpick_ignore = [("py:obj", "theta")]  # of scikit-learn's kernels

html_theme = "furo"
html_title = f"fastgram {version}"
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# Types stand in the docstrings, in words
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_validation_checks = {"GL06", "GL07", "PR01", "PR02", "PR03", "PR04", "YD01"}
# where parameters are listed, all are
numpydoc_validation_overrides = {"PR01": [r"(?s)^(?!.*\n\s*Parameters\n)"]}

copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": ["examples"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"[/\\]plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1e9,  # times are the machine's that built it
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "show_signature": False,
}

plot_formats = [("svg", 150)]
plot_html_show_formats = False
plot_html_show_source_link = True
plot_basedir = str(_HERE)
