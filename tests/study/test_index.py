"""The index: one file that a browser opens without a server or a network."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pytest
from helpers.invented_part import InventedPart

from fastgram.study.index import index_page, verdict_counts
from fastgram.study.running import run_part
from fastgram.study.settings import Settings


class Page(HTMLParser):
    """What a page loads and links to, and its text; an unclosed element is an error."""

    EMPTY = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.titles, self.text, self.open = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loaded += [found["src"]] if "src" in found else []
        assert tag not in ("script", "link", "iframe", "object")
        self.titles += [found["alt"]] if "alt" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    run_part(InventedPart(), "quick", 1, Settings(), path, False)
    return path


def test_the_page_needs_no_other_file(folder):
    text = (folder / "index.html").read_text("utf-8")
    page = Page(text)
    (image,) = page.loaded
    head, _, data = image.partition(",")
    assert head == "data:image/svg+xml;base64"
    assert base64.b64decode(data) == (folder / "invented.svg").read_bytes()
    assert page.links == ["#invented", "invented.csv", "invented.json"]
    assert "http" not in text.replace(image, "")
    assert "url(" not in text
    assert "@import" not in text


def test_the_figure_loads_nothing(folder):
    text = (folder / "invented.svg").read_text("utf-8")
    assert "<image" not in text
    assert "@import" not in text
    assert "<script" not in text
    hrefs = [part[:1] for part in text.split('href="')[1:]]
    assert set(hrefs) <= {"#"}


def test_words_are_shown_as_they_are(folder):
    page = Page((folder / "index.html").read_text("utf-8"))
    told = " ".join(page.text)
    assert InventedPart.title in told
    assert page.titles == [InventedPart.title]
    assert "Somebody claims that λ_min falls with δ." in told
    assert "2 verdicts: 2 hold" in told
    assert "1 ± 0.05" in told
    assert "✓ holds" in told


def test_other_files_are_no_parts(folder):
    before = index_page(folder)
    (folder / "other.json").write_text("[1, 2]", "utf-8")
    (folder / "another.json").write_text('{"part": "else"}', "utf-8")
    (folder / "comments.json").write_text("// no JSON", "utf-8")
    (folder / "latin.json").write_bytes('"Größe"'.encode("latin-1"))
    assert index_page(folder) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no verdicts"),
        (["holds"], "1 verdict: 1 holds"),
        (["holds", "does not hold", "holds"], "3 verdicts: 2 hold, 1 does not"),
        (
            ["cannot be said", "does not hold", "does not hold"],
            "3 verdicts: 2 do not, 1 cannot be said",
        ),
    ],
)
def test_counts(words, told):
    assert verdict_counts(words) == told
