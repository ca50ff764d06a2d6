"""Writing a report's files, each whole or not at all."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from lottery.record.files import DamagedFile, write_text
from lottery.report.contents import FIGURES, make_contents
from lottery.report.draw_matplotlib import KINDS, save
from lottery.report.markdown import make_markdown
from lottery.report.page import make_page
from lottery.report.runs import NoRun, find_runs, read_runs

log = logging.getLogger(__name__)


def write_report(runs: Sequence[Path], folder: Path, *, interval: bool = False) -> Path:
    """Write report.html, report.md and figures/ of some runs; an earlier report is replaced.

    Args:
        runs: their folders, as `find_runs` gives them.
        folder: where to.
        interval: whether bands are 95 % confidence intervals instead of lowest to highest.

    Returns:
        The path of report.html.

    Raises:
        DamagedFile: not one of the runs can be read.
        OSError: the folder cannot be written.
    """
    records, problems = read_runs(runs)
    if not records:
        raise DamagedFile(problems[0].removeprefix("left out: "))
    contents = make_contents(records, problems, interval=interval)
    for figure in contents.figures:
        save(figure, folder / "figures")
    drawn = {figure.name for figure in contents.figures}
    for name in set(FIGURES) - drawn:  # of an earlier report, of more runs
        for kind in KINDS:
            (folder / "figures" / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(folder / "report.md", make_markdown(contents))
    write_text(folder / "report.html", make_page(contents))
    return folder / "report.html"


def report_at_end(folder: Path) -> Path | None:
    """The report of a run or a sweep that has just ended, into its folder.

    What is wrong with a report is only warned of: hours of training do not fail for a picture.
    With the environment variable LOTTERY_REPORT=0 no report is made.

    Args:
        folder: the run's or the sweep's.

    Returns:
        The path of report.html; None where there is none.
    """
    if os.environ.get("LOTTERY_REPORT") == "0":
        return None
    try:
        return write_report(find_runs([folder]), folder)
    except NoRun:  # a sweep in which no job has begun
        return None
    except Exception as error:  # noqa: BLE001
        log.warning("no report: %s: %s", type(error).__name__, error)
        return None
