"""The command `lottery-report`: tables and figures of runs, finished or not."""

import argparse
import logging
import sys
from pathlib import Path

MISTAKE = 2


def main() -> None:
    """The console command."""
    arguments = _parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    from lottery.record.files import DamagedFile
    from lottery.report import NoRun, find_runs, write_report  # --help need not wait for it

    try:
        runs = find_runs(arguments.folders)
        out = arguments.out or (runs[0] if len(runs) == 1 else Path("report"))
        print(write_report(runs, out.absolute(), interval=arguments.interval))
    except (NoRun, DamagedFile, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE)


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
        help="folder for the report (default: of one run its own folder, of several ./report)",
    )
    parser.add_argument(
        "--interval",
        action="store_true",
        help="bands show the 95 %% confidence interval of the mean, not lowest to highest",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
