"""The templates of a report: the page holds the figures, and nothing in a label is markup."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lottery.report.contents import Contents, make_contents
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.read.questions import Group, Question
from lottery.report.render import escape_markdown, make_markdown, make_page
from lottery.report.words.summary_text import Answer
from lottery.report.words.table import Table
from lottery.report.words.tile import Headline, Tile
from tests.helpers.toy_records import TRUNK, toy_record

EVIL = "</script><script>alert(1)</script><img src=x>&amp;"


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return make_contents([toy_record(tmp_path / TRUNK / "seed_0", tests=(0.95, 0.97, 0.90))])


def evil(contents: Contents, text: str) -> Contents:
    """Return contents that have a text wherever a template shows one."""
    panel = contents.figures[1].panels[0]
    lines = tuple(replace(line, label=text) for line in panel.lines)
    notes = tuple(replace(note, text=text) for note in panel.notes)
    panel = replace(panel, title=text, lines=lines, notes=notes, level=(0.5, text))
    return Contents(
        title=text,
        headline=Headline(text, (Tile(text, text, text),)),
        notes=(text,),
        verdicts=(Table(text, ({text: text},), text),) * 2,
        answers=(Answer(text, (text,)),),
        rules=(text,),
        checks=(text,),
        figures=(replace(contents.figures[1], title=text, caption=text, panels=(panel,)),),
        tables=(Table(text, ({text: text},), text), Table(text, ({text: text},), folded=True)),
        settings=(text,),
        questions=(Question(text, (Group(text, (text,)),)),),
    )


def panels_of(page: str) -> list[dict[str, Any]]:
    found = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return [json.loads(text) for text in found]


class Tags(HTMLParser):
    """The tags of a page, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_what_the_figures_hold(contents: Contents) -> None:
    specs = [panel_json(panel) for figure in contents.figures for panel in figure.panels]
    assert panels_of(make_page(contents)) == json.loads(json.dumps(specs))


def test_markup_in_a_label_is_text_on_the_page(contents: Contents) -> None:
    harmless, page = Tags(make_page(evil(contents, "x"))), make_page(evil(contents, EVIL))
    parsed = Tags(page)
    assert parsed.tags == harmless.tags
    # title, h1, head; note, answer, sentence, rule, check; figure: title, panel, caption
    assert parsed.text.count(EVIL) == 6 + 5 + 3 + 2 * 4 + 4 + 3  # and four tables
    (spec,) = panels_of(page)
    names = [trace["name"] for trace in spec["data"]]
    texts = [note["text"] for note in spec["layout"]["annotations"]]
    assert len(names) == 2
    assert len(texts) == 1
    # plotly.js takes tags in its texts for markup
    assert {unescape(text) for text in (*names, *texts)} == {EVIL}
    assert not any("<" in text for text in (*names, *texts))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("ticket, pruning.rate=0.2 (80.0 %)", None),
        ("lenet_300_100", None),
        ('[["output*", "0.5x"]]', r'[["output\*", "0.5x"]]'),
        ("a | b\nc", r"a \| b c"),
        ("<script>", r"\<script>"),
        ("_bold_ `code` [a](b)", r"\_bold\_ \`code\` [a]\(b)"),
    ],
)
def test_markup_in_a_label_is_text_in_markdown(text: str, escaped: str | None) -> None:
    assert escape_markdown(text) == (escaped or text)


def test_every_text_of_the_markdown_is_escaped(contents: Contents) -> None:
    text = make_markdown(evil(contents, "<b>|*\n"))
    # the figure's title twice, no legend; five tables have a title, two columns' and a caption
    assert text.count(r"\<b>\|\*") == 9 + 4 + 2 * 4 + 4 + 3
    assert not re.search(r"(?<!\\)<b>", text)
