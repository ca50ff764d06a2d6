"""Write the files of a report, each whole or not at all."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from lottery.errors import NoRun
from lottery.record.files import DamagedFile, write_text
from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import METADATA, save_figure
from lottery.report.page import make_markdown, make_page
from lottery.report.read.runs import find_runs, read_runs

log = logging.getLogger(__name__)

FIRST_FIGURES = ("1_accuracy", "2_parameters", "3_layers", "4_learning")
FIGURES = (*FIRST_FIGURES, "5_flops", "6_settings", "7_lines", "8_instability")


def write_report(runs: Sequence[Path], folder: Path, *, interval: bool = False) -> Path:
    """Write report.html, report.md and figures/ of some runs, over an earlier report.

    Args:
        runs: their folders, as `find_runs` returns them.
        folder: where to write.
        interval: bands are 95 % confidence intervals instead of lowest to highest.

    Returns:
        The path of report.html.

    Raises:
        DamagedFile: none of the runs can be read.
        OSError: the folder cannot be written.
    """
    records, problems = read_runs(runs)
    if not records:
        raise DamagedFile(problems[0].removeprefix("left out: "))
    contents = make_contents(records, problems, interval=interval)
    for figure in contents.figures:
        save_figure(figure, folder / "figures")
    drawn = {figure.name for figure in contents.figures}
    for name in set(FIGURES) - drawn:  # an earlier report may have had more figures
        for kind in METADATA:
            (folder / "figures" / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(folder / "report.md", make_markdown(contents))
    write_text(folder / "report.html", make_page(contents))
    return folder / "report.html"


def report_at_end(folder: Path) -> Path | None:
    """Write the report of a run or a sweep that has just ended, into its folder.

    An error in a report is only logged: hours of training must not fail because of a picture.
    With the environment variable LOTTERY_REPORT=0 no report is made.

    Args:
        folder: the run's or the sweep's.

    Returns:
        The path of report.html; None if no report was made.
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
