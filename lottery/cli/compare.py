"""The command `lottery-compare`: masks and weights of rounds and runs side by side."""

import logging
from pathlib import Path

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command, numbers
from lottery.cli.parser import Parser

EXAMPLES = (
    ("lottery-compare TRUNK CONTROL", "two runs, at equal rounds"),
    ("lottery-compare outputs/mnist-*/seed_*", "every run with every other"),
    ("lottery-compare RUN", "each round with the next one and with the last"),
    ("lottery-compare RUN OTHER --rounds 0,7", "only these rounds"),
)


def main() -> None:
    """Run the command."""
    check_surroundings()
    arguments = make_parser().parse_args()

    from lottery.comparison import (  # --help need not wait for torch
        choose_rounds,
        compare_runs,
        format_comparison,
        write_comparison,
    )
    from lottery.record.disk_errors import check_writable, disk_errors_in
    from lottery.record.opened_run import open_run
    from lottery.runs.run_folder import check_run_folder

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with errors_end_the_command(command_line("lottery-compare")):
        runs = [open_run(path) for path in arguments.runs]
        rounds = choose_rounds(runs, arguments.rounds)
        out = (arguments.out or runs[0].folder.comparisons).absolute()
        check_writable(out, "--out")
        if arguments.out is None:
            check_run_folder(runs[0].folder)
        comparison = compare_runs(runs, rounds)
        print(format_comparison(comparison))
        with disk_errors_in(out):
            print(write_comparison(comparison, runs, rounds, out))


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(
        prog="lottery-compare",
        examples=EXAMPLES,
        description=f"{__doc__} Several runs are compared in pairs at equal rounds; of one run, "
        "each round with the next one and with the last. No network is made, nothing is trained.",
    )
    rounds = "such as 0,7 (default: all that every run has finished)"
    out = "folder for the comparison's folder (default: compare/ of the first run)"
    parser.add_argument("runs", metavar="RUN_DIR", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--rounds", type=numbers, help=rounds)
    parser.add_argument("--out", type=Path, help=out)
    return parser
