"""Write the files of a report, each whole or not at all: a page, Markdown and figures."""

import logging
import os
import re
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, write_text
from lottery.record.study import StudyJson, read_study
from lottery.report.contents import Contents, make_contents
from lottery.report.figures.draw_matplotlib import METADATA, save_figure
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.read.runs import find_runs, read_each, read_run

if TYPE_CHECKING:
    from jinja2 import Environment

log = logging.getLogger(__name__)

FIRST_FIGURES = ("1_accuracy", "2_parameters", "3_layers", "4_learning", "5_flops")
LATER_FIGURES = ("6_settings", "7_lines", "8_instability", "9_training", "10_masks")
FIGURES = (*FIRST_FIGURES, *LATER_FIGURES)
LONG_CELL = 16  # characters; a longer cell may break into several lines
# Characters of a label that Markdown would read as markup
MARKUP = re.compile(r"[\\`*|<]|(?<=\])\(|(?<!\w)_|_(?!\w)")


def write_report(
    runs: Sequence[Path],
    folder: Path,
    problems: Sequence[str] = (),
    *,
    interval: bool = False,
    margin: float | None = None,
    at: Sequence[int] = (),
    pictures: bool = True,
    study: StudyJson | None = None,
    against: Collection[Path] = (),
) -> Path:
    """Write a report of some runs, over an earlier one, and return the path of report.html.

    `runs` and `problems` are as `find_runs` returns them. With `interval`, bands are 95 %
    confidence intervals, else lowest to highest. `margin` is by how much a network may be worse
    and still match: in points of a share, in the unit of any other score; None for the usual one.
    `at` are steps at which the test scores are judged, too.
    `study` is the search that has made the runs. All others are compared with the settings of the
    runs in `against`, which are among `runs`.
    Without `pictures`, which take most of the time, only the page has figures.

    Raises:
        DamagedFile: none of the runs can be read.
        OSError: the folder cannot be written.
    """
    records, damaged = read_each(read_run, runs)
    if not records:
        raise DamagedFile(damaged[0].removeprefix("left out: "))
    contents = make_contents(
        records,
        [*problems, *damaged],
        interval=interval,
        margin=margin,
        at=at,
        study=study,
        against=against,
    )
    drawn = {figure.name: figure for figure in contents.figures if pictures}
    for figure in drawn.values():
        save_figure(figure, folder / "figures")
    for name in set(FIGURES) - drawn.keys():  # an earlier report may have had more figures
        for kind in METADATA:
            (folder / "figures" / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(folder / "report.md", make_markdown(contents, pictures=pictures))
    write_text(folder / "report.html", make_page(contents, pictures=pictures))
    return folder / "report.html"


def report_at_end(folder: Path, *, pictures: bool = True) -> Path | None:
    """Write the report of a run or a sweep that has just ended, into its folder.

    An error in a report is only logged: hours of training must not fail because of a picture.
    With the environment variable LOTTERY_REPORT=0 no report is made.
    """
    if os.environ.get("LOTTERY_REPORT") == "0":
        return None
    try:
        runs, problems = find_runs([folder])
        study = read_study(folder)
        return write_report(runs, folder, problems, study=study, pictures=pictures)
    except NoRun:  # a sweep in which no job has begun
        return None
    except Exception as error:  # noqa: BLE001
        log.warning("no report: %s: %s", type(error).__name__, error)
        return None


def make_page(contents: Contents, *, pictures: bool = True) -> str:
    """Return report.html: one file that needs no other file and no network."""
    from plotly.offline import get_plotlyjs

    template = _environment(markdown=False).get_template("report.html.jinja")
    return template.render(
        contents=contents,
        pictures=pictures,
        panel_json=panel_json,
        long_cell=LONG_CELL,
        style=_resource("page.css"),
        script=_resource("page.js"),
        plotly=get_plotlyjs(),
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
