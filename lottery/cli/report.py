"""The command `lottery-report`: tables and figures of runs, finished or not."""

import argparse
import logging
from pathlib import Path

from lottery.cli.common import command_line, errors_end_the_command


def main() -> None:
    """Run the command."""
    arguments = _parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with errors_end_the_command(command_line("lottery-report")):
        print(_report(arguments))


def _report(arguments: argparse.Namespace) -> Path:
    from lottery.record.disk_errors import check_writable, disk_errors_in
    from lottery.report import find_runs, write_report  # --help need not wait for it

    runs = find_runs(arguments.folders)
    out: Path = arguments.out or (runs[0] if len(runs) == 1 else Path("report"))
    check_writable(out.absolute(), "--out")
    with disk_errors_in(out):
        return write_report(runs, out.absolute(), interval=arguments.interval)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lottery-report", description=__doc__)
    parser.add_argument(
        "folders",
        metavar="DIR",
        nargs="+",
        help="a run, a folder with runs anywhere below it, or a sweep's folder",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the report (default: the run's own folder; for several runs ./report)",
    )
    parser.add_argument(
        "--interval",
        action="store_true",
        help="bands show the 95 %% confidence interval of the mean, not lowest to highest",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
