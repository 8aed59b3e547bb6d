"""What Sphinx does not do: pages made elsewhere come along, and links within the site are followed.

Sphinx checks the links of what it parses; this follows those of what it wrote, pages made elsewhere
and raw HTML too. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dead_links import dead_links
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# Folders of docs/ that are written as HTML by another command, and are copied as they are
_MADE_ELSEWHERE = ["study"]

_log = logging.getLogger(__name__)


def _copy_pages(app: Sphinx) -> None:
    for folder in _MADE_ELSEWHERE:
        made = Path(app.srcdir) / folder
        if made.is_dir():
            shutil.copytree(made, Path(app.outdir) / folder, dirs_exist_ok=True)


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        _copy_pages(app)
        for line in dead_links(Path(app.outdir)):
            _log.warning(line, type="link")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what is done when all pages are written."""
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
