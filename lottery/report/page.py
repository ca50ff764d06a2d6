"""report.html: one file that needs nothing else, neither folder nor network."""

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from lottery.report.contents import Contents
from lottery.report.draw_plotly import panel_json
from lottery.report.figure import Figure
from lottery.report.tables import Table
from lottery.report.verdicts import RULES

SHORT = 16  # characters that a cell shows on one line


def make_page(contents: Contents) -> str:
    """The page of a report."""
    here = files("lottery.report")
    parts = {
        "title": escape(contents.title),
        "style": (here / "page.css").read_text(encoding="utf-8"),
        "plotly": _plotly(),
        "script": (here / "page.js").read_text(encoding="utf-8"),
        "body": "\n".join(_body(contents)),
    }
    page = (here / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"<!-- {name} -->", text, 1)
    return page


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _body(contents: Contents) -> Iterator[str]:
    yield f"<h1>{escape(contents.title)}</h1>"
    for note in contents.notes:
        yield f'<p class="note">{escape(note)}</p>'
    yield '<section id="answer"><h2>In short</h2>'
    for answer in contents.answers:
        yield f"<h3>{escape(answer.heading)}</h3>"
        yield _list(answer.sentences)
    yield f"<details><summary>The rules</summary>{_list(RULES)}</details></section>"
    if contents.checks:
        yield f'<section id="checks"><h2>Checks</h2>{_list(contents.checks)}</section>'
    for figure in contents.figures:
        yield from _figure(figure)
    for table in contents.tables:
        yield from _table(table)


def _list(sentences: tuple[str, ...]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in sentences) + "</ul>"


def _figure(figure: Figure) -> Iterator[str]:
    yield f'<section id="figure_{figure.name}"><h2>{escape(figure.title)}</h2>'
    wide = " one" if len(figure.panels) == 1 else ""
    yield f'<div class="panels{wide}">'
    for panel in figure.panels:
        # "</script>" in a user's name must not end the script
        spec = json.dumps(panel_json(panel), allow_nan=False).replace("<", "\\u003c")
        title = f"<h4>{escape(panel.title)}</h4>" if panel.title else ""
        yield f'<div class="panel">{title}<script type="application/json">{spec}</script></div>'
    yield f'</div><p class="caption">{escape(figure.caption)} '
    yield " ".join(
        f'<a href="figures/{figure.name}.{kind}">{kind.upper()}</a>' for kind in ("png", "pdf")
    )
    yield "</p></section>"


def _cell(text: str) -> str:
    return f"<td{' class=text' if len(text) > SHORT else ''}>{escape(text)}</td>"


def _table(table: Table) -> Iterator[str]:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows)
    body = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n'
    body += f'</tbody></table></div><p class="caption">{escape(table.caption)}</p>'
    if table.long:
        yield f"<details><summary>{escape(table.title)}</summary>{body}</details>"
    else:
        yield f"<section><h2>{escape(table.title)}</h2>{body}</section>"
