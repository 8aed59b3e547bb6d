"""Formulas as MathML, which browsers draw themselves: a page needs no script from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator


def _visit_inline(translator: HTML5Translator, node: Element) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _visit_displayed(translator: HTML5Translator, node: Element) -> None:
    formula = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="math">{formula}</div>\n')
    raise SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the way formulas are written, as the one way."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_displayed, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
