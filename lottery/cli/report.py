"""The command `lottery-report`: tables and figures of runs, finished or not."""

import argparse
import logging
from pathlib import Path

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = _parse()

    from lottery.record.disk_errors import check_writable, disk_errors_in
    from lottery.report import find_runs, write_report  # --help need not wait for it

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with errors_end_the_command(command_line("lottery-report")):
        runs, problems = find_runs(arguments.folders)
        out = (arguments.out or (runs[0] if len(runs) == 1 else Path("report"))).absolute()
        check_writable(out, "--out")
        with disk_errors_in(out):
            print(write_report(runs, out, problems, interval=arguments.interval))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lottery-report", description=__doc__)
    folders = "a run, a folder with runs anywhere below it, or a sweep's folder"
    out = "folder for the report (default: the run's own folder; for several runs ./report)"
    interval = "bands show the 95 %% confidence interval of the mean, not lowest to highest"
    parser.add_argument("folders", metavar="DIR", nargs="+", help=folders)
    parser.add_argument("--out", type=Path, help=out)
    parser.add_argument("--interval", action="store_true", help=interval)
    return parser.parse_args()
