"""Render the contents of a report as a page and as Markdown."""

import re
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lottery.report.contents import Contents
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.figures.figure import MAX_LINES, style
from lottery.report.words.verdicts import (
    BEATS,
    BEHIND,
    FASTER,
    MATCHES,
    SLOWER,
    TOO_FEW,
    UNDECIDED,
)
from lottery.report.words.verdicts_table import WINNING

if TYPE_CHECKING:
    from jinja2 import Environment

SCRIPTS = ("page.js", "chooser.js", "figures.js")
FEW_TABLES = 12  # folded tables that are listed; more are folded together
FEW_ROWS = 30  # more are shown in a box that scrolls
LONG_CELL = 16  # characters; a longer cell may break into several lines
# The colours of verdicts, as classes of page.css
VERDICTS = {
    **dict.fromkeys((BEATS, MATCHES, FASTER, WINNING), "good"),
    **dict.fromkeys((BEHIND, SLOWER), "bad"),
    **dict.fromkeys((UNDECIDED, TOO_FEW), "open"),
}
# Characters of a label that Markdown would read as markup
MARKUP = re.compile(r"[\\`*|<]|(?<=\])\(|(?<!\w)_|_(?!\w)")


def make_page(contents: Contents, *, pictures: bool = True, plotly: str | None = None) -> str:
    """Return report.html, which needs no network.

    `plotly` is the relative path of plotly.js; None: the page holds it, and needs no other file.
    """
    from plotly.offline import get_plotlyjs

    template = _environment(markdown=False).get_template("report.html.jinja")
    return template.render(
        contents=contents,
        pictures=pictures,
        panel_json=panel_json,
        chooser=_chooser(contents),
        cell_class=_cell_class,
        few_tables=FEW_TABLES,
        few_rows=FEW_ROWS,
        verdict_class=VERDICTS.get,
        style=_resource("page.css"),
        scripts=map(_resource, SCRIPTS),
        plotly_file=plotly,
        plotly_js="" if plotly else get_plotlyjs(),
    )


def make_markdown(contents: Contents, *, pictures: bool = True) -> str:
    """Return report.md, for a repository or a notebook; its figures link to the PNG files."""
    template = _environment(markdown=True).get_template("report.md.jinja")
    return template.render(contents=contents, pictures=pictures)


def escape_markdown(text: Any) -> str:
    r"""Return a text on one line, with a backslash before every character of markup.

    Example:
        >>> escape_markdown("fc*|<b>, lenet_5")
        'fc\\*\\|\\<b>, lenet_5'
    """
    return MARKUP.sub(lambda found: f"\\{found[0]}", str(text).replace("\n", " "))


@cache
def _environment(*, markdown: bool) -> "Environment":
    """Make an environment in which every value that a template shows is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lottery.report"),
        autoescape=not markdown,
        finalize=escape_markdown if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return environment


def _resource(name: str) -> str:
    return (files("lottery.report") / "templates" / name).read_text(encoding="utf-8")


def _chooser(contents: Contents) -> dict[str, Any] | None:
    """Return what chooser.js needs; None if there is one setting only."""
    if not contents.settings:
        return None
    return {
        "settings": contents.settings,
        "looks": [asdict(style(number)) for number in range(MAX_LINES)],
        "questions": [asdict(question) for question in contents.questions],
    }


def _cell_class(cell: str) -> str | None:
    return VERDICTS.get(cell) or ("text" if len(cell) > LONG_CELL else None)
