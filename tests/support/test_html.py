"""Tables in notebooks."""

from __future__ import annotations

import re

from fastgram.support.html import table


def test_text_is_escaped_and_nothing_is_coloured():
    page = table("a<b", [("", "<i>"), ("x & y", "1 < 2")], "why: n > 3\nand <more>")
    assert re.findall(r">([^<]+)<", page) == [
        "a&lt;b",
        "&lt;i&gt;",
        "x &amp; y",
        "1 &lt; 2",
        "why: n &gt; 3",
        "and &lt;more&gt;",
    ]
    assert page.count("<p>") == 2
    assert page.count("<tr>") == page.count("</tr>") == 2
    assert not re.search("color|background|class=", page)  # which a dark page would not fit
