"""The command `lottery-report`: tables and figures of runs, finished or not."""

import argparse
import logging
import math
import shutil
import sys
from pathlib import Path
from typing import Any

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser

EXAMPLES = (
    ("lottery-report outputs", "one report of all runs, into ./report"),
    ("lottery-report RUN", "of one run, into its own folder"),
    ("lottery-report outputs --text", "on the terminal; no file is written"),
    ("lottery-report A B --against B", "A compared with B, paired by seed"),
    ("lottery-report outputs --margin 0.5", "what is worse by less than half a point matches"),
)


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = make_parser().parse_args()

    from lottery.record.disk_errors import check_writable, disk_errors_in
    from lottery.record.study import read_study
    from lottery.report import find_runs, report_text, write_report  # --help need not wait for it

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with errors_end_the_command(command_line("lottery-report")):
        runs, problems = find_runs([*arguments.folders, *arguments.against])
        only = arguments.folders[0] if len(arguments.folders) == 1 else None
        asked: dict[str, Any] = {
            "interval": arguments.interval,
            "margin": arguments.margin,
            "at": arguments.at,
            "study": read_study(Path(only)) if only else None,
            "against": find_runs(arguments.against)[0],
        }
        if arguments.text:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            print(report_text(runs, problems, width=width, **asked))
            return
        out = (arguments.out or (runs[0] if len(runs) == 1 else Path("report"))).absolute()
        check_writable(out, "--out")
        with disk_errors_in(out):
            alone = arguments.self_contained
            print(write_report(runs, out, problems, self_contained=alone, **asked))


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(prog="lottery-report", description=__doc__, examples=EXAMPLES)
    folders = "a run, a folder with runs anywhere below it, or a sweep's folder"
    out = "folder for the report (default: the run's own folder; for several runs ./report)"
    interval = "bands show the 95 %% confidence interval of the mean, not lowest to highest"
    margin = (
        "a network that is worse by less than this matches the dense one: percentage points of a "
        "share, the unit of any other score (default: 0.2 points, or 1 %% of the dense score)"
    )
    alone = "report.html holds plotly.js (5 MB), so that it needs no other file: to mail it"
    at = "steps at which test scores are judged, too (with evaluation.test_curve=true)"
    text = "print the answers and tables instead; write nothing"
    against = "compare all other settings with those of these runs, at equal sparsity and by seed"
    parser.add_argument("folders", metavar="DIR", nargs="+", help=folders)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, help=out)
    where.add_argument("--text", action="store_true", help=text)
    parser.add_argument("--against", nargs="+", default=[], metavar="DIR", help=against)
    parser.add_argument("--interval", action="store_true", help=interval)
    parser.add_argument("--margin", type=_positive, metavar="POINTS", help=margin)
    parser.add_argument("--at", type=_step, nargs="+", default=[], metavar="STEP", help=at)
    parser.add_argument("--self-contained", action="store_true", help=alone)
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0, such as 0.5")
    return number


def _step(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number above 0, such as 30000")
    return int(text)
