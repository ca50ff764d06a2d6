"""The command `lottery-doctor`: check a machine, and whether runs keep their promises on it."""

import sys
from pathlib import Path

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser
from lottery.errors import FAILED

EXAMPLES = (
    ("lottery-doctor", "the checks of this machine, as a table"),
    ("lottery-doctor --folder /scratch/me", "with the disk that results will lie on"),
    ("lottery-doctor --json", "for other programs"),
)


def main() -> None:
    """Run the command."""
    check_surroundings()
    arguments = make_parser().parse_args()
    folder: Path = arguments.folder.absolute()

    from lottery.doctor import examine  # --help need not wait for it
    from lottery.record.disk_errors import check_writable, disk_errors_in

    results = []
    with errors_end_the_command(command_line("lottery-doctor")), disk_errors_in(folder):
        check_writable(folder, "--folder")
        folder.mkdir(parents=True, exist_ok=True)
        for result in examine.examine(folder):
            results.append(result)
            print(f"{result.check}: {result.finding.status}", file=sys.stderr, flush=True)
        print(examine.as_json(results) if arguments.json else examine.as_table(results))
    if not examine.is_healthy(results):
        sys.exit(FAILED)


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(
        prog="lottery-doctor",
        examples=EXAMPLES,
        description=f"{__doc__} It takes about a minute and needs no root. Short runs on "
        "digits are made in a hidden folder, which is removed at the end. If a check fails, the "
        "exit code is 1.",
    )
    where = "where results will lie, to check its disk (default: %(default)s)"
    parser.add_argument("--folder", type=Path, default=Path("outputs"), help=where)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser
