"""Write the files of a report, each whole or not at all: a page, Markdown and figures."""

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, write_text
from lottery.record.study import StudyJson, read_study
from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import METADATA, save_figure
from lottery.report.plotly_js import place_plotly
from lottery.report.read.runs import find_runs, read_runs
from lottery.report.render import make_markdown, make_page

log = logging.getLogger(__name__)

FIRST_FIGURES = ("1_accuracy", "2_parameters", "3_layers", "4_learning", "5_flops")
LATER_FIGURES = ("6_settings", "7_lines", "8_instability", "9_training", "10_masks", "11_units")
FIGURES = (*FIRST_FIGURES, *LATER_FIGURES)


def write_report(
    runs: Sequence[Path],
    folder: Path,
    problems: Sequence[str] = (),
    *,
    interval: bool = False,
    margin: float | None = None,
    at: Sequence[int] = (),
    pictures: bool = True,
    self_contained: bool = False,
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
    Without `pictures`, which take most of the time, only the page has figures. A page that is
    `self_contained` needs no other file; else plotly.js is where `place_plotly` puts it.

    Raises:
        DamagedFile: none of the runs can be read, or the folder of figures is a link.
        OSError: the folder cannot be written.
    """
    records, damaged = read_runs(runs)
    contents = make_contents(
        records,
        [*problems, *damaged],
        interval=interval,
        margin=margin,
        at=at,
        study=study,
        against=against,
    )
    figures = folder / "figures"
    if figures.is_symlink():  # whoever made the folder may have meant files of ours elsewhere
        raise DamagedFile(
            f"{figures}: a link; remove it, and the report makes a folder of its own"
        )
    plotly = None if self_contained else place_plotly(folder, records)
    drawn = {figure.name: figure for figure in contents.pictures if pictures}
    for figure in drawn.values():
        save_figure(figure, figures)
    for name in set(FIGURES) - drawn.keys():  # an earlier report may have had more figures
        for kind in METADATA:
            (figures / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(folder / "report.md", make_markdown(contents, pictures=pictures))
    page = make_page(contents, pictures=pictures, plotly=plotly)
    write_text(folder / "report.html", page)
    return folder / "report.html"


def report_at_end(
    folder: Path, *, pictures: bool = True, self_contained: bool = False
) -> Path | None:
    """Write the report of a run or a sweep that has just ended, into its folder.

    An error in a report is only logged: hours of training must not fail because of a picture.
    With the environment variable LOTTERY_REPORT=0 no report is made.
    """
    if os.environ.get("LOTTERY_REPORT") == "0":
        return None
    try:
        runs, problems = find_runs([folder])
        study = read_study(folder)
        return write_report(
            runs,
            folder,
            problems,
            study=study,
            pictures=pictures,
            self_contained=self_contained,
        )
    except NoRun:  # a sweep in which no job has begun
        return None
    except Exception as error:  # noqa: BLE001
        log.warning("no report: %s: %s", type(error).__name__, error)
        return None
