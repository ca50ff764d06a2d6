"""Write a report as one HTML page and as Markdown, from the templates."""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lottery.report.contents import Contents
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.words.verdicts import RULES

if TYPE_CHECKING:
    from jinja2 import Environment

LONG_CELL = 16  # characters; a longer cell may break into several lines
# Characters of a label that Markdown would read as markup
MARKUP = re.compile(r"[\\`*|<]|(?<=\])\(|(?<!\w)_|_(?!\w)")


def make_page(contents: Contents) -> str:
    """Return report.html: one file that needs no other file and no network."""
    from plotly.offline import get_plotlyjs

    template = _environment(markdown=False).get_template("report.html.jinja")
    return template.render(
        contents=contents,
        rules=RULES,
        panel_json=panel_json,
        long_cell=LONG_CELL,
        style=_resource("page.css"),
        script=_resource("page.js"),
        plotly=get_plotlyjs(),
    )


def make_markdown(contents: Contents) -> str:
    """Return report.md, for a repository or a notebook; its figures link to the PNG files."""
    template = _environment(markdown=True).get_template("report.md.jinja")
    return template.render(contents=contents, rules=RULES)


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
