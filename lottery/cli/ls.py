"""The command `lottery-ls`: the runs in a folder, how far they are, and their best rounds."""

import json
import shutil
import sys
from pathlib import Path

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser

EXAMPLES = (
    ("lottery-ls", "all runs below outputs/"),
    ("lottery-ls outputs/mnist-*", "those of some settings"),
    ("lottery-ls | grep -v finished", "what is left to do, a line for each run"),
    ("lottery-ls --json", "for other programs"),
)


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = make_parser().parse_args()

    from lottery.listing import format_list, list_runs, to_entry, to_tab_separated

    with errors_end_the_command(command_line("lottery-ls")):
        runs = list_runs(arguments.folders)
        if arguments.json:
            print(json.dumps([to_entry(run) for run in runs], indent=1))
        elif sys.stdout.isatty():
            print(format_list(runs, shutil.get_terminal_size().columns))
        else:
            print(to_tab_separated(runs))


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(
        prog="lottery-ls",
        examples=EXAMPLES,
        description=__doc__,
        epilog="On a terminal it prints a table, elsewhere one line a run with tabs between the "
        "values. It reads run.json and results.csv alone, and writes nothing.",
    )
    folders = "a run, or a folder with runs anywhere below it (default: outputs)"
    as_json = "print a list of JSON objects"
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", type=Path, default=[Path("outputs")], help=folders
    )
    parser.add_argument("--json", action="store_true", help=as_json)
    return parser
