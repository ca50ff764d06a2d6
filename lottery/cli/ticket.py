"""The command `lottery-ticket`: take a round's network out of a run, verify it, and use it."""

import argparse
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.cli.common import (
    DATA_HELP,
    DEVICES,
    TRUST_HELP,
    check_surroundings,
    command_line,
    end,
    errors_end_the_command,
    name_the_command,
)
from lottery.cli.parser import Parser
from lottery.errors import FAILED, ConfigError

if TYPE_CHECKING:
    from lottery.forests.run import ForestRequest
    from lottery.ticket.ticket import Ticket

EXAMPLES = (
    ("lottery-ticket RUN", "the winning round, verified, into RUN/ticket"),
    ("lottery-ticket RUN --within 0.5", "the sparsest round at most half a point below dense"),
    ("lottery-ticket RUN --round 7 --export csr", "this round, also in compressed sparse rows"),
    ("lottery-ticket FOLDER --data ~/data", "verify a ticket that came from elsewhere"),
)


def main() -> None:
    """Run the command."""
    check_surroundings()
    arguments = make_parser().parse_args()

    from lottery.config.targets import make_cwd_importable
    from lottery.record.disk_errors import disk_errors_in
    from lottery.record.files import DamagedFile
    from lottery.ticket.checks import format_checks
    from lottery.ticket.extract import WrongTicket  # torch: --help need not wait for it

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if arguments.trust_code:
        make_cwd_importable()
    command = command_line("lottery-ticket")
    with errors_end_the_command(command, describe=partial(name_the_command, command)):
        try:
            with disk_errors_in(arguments.path):
                _answer(arguments)
        except DamagedFile as error:
            print("FAIL")
            end(f"error: {error}", error.exit_code)
        except WrongTicket as wrong:
            print(format_checks(wrong.checks))
            sys.exit(wrong.exit_code)


def _answer(arguments: argparse.Namespace) -> None:
    from lottery.forests.other_programs import read_metrics
    from lottery.ticket.checks import format_checks
    from lottery.ticket.verify import verify

    if arguments.compare and not arguments.features:
        raise ConfigError(f"--compare {arguments.compare}: needs --features")
    compared = read_metrics(arguments.compare) if arguments.compare else []  # before any work
    ticket = _find(arguments)
    request = None
    if arguments.features:
        from lottery.forests.run import request_forests

        request = request_forests(ticket, arguments.features, compared)
    checks = verify(ticket, arguments.device, arguments.data)
    print(format_checks(checks))
    if not all(check.passed for check in checks):
        sys.exit(FAILED)
    if arguments.export:
        print(ticket.export(arguments.export, arguments.weights))
    if request:
        _fit_forests(request, arguments.device, arguments.data)


def _fit_forests(request: "ForestRequest", device: str, data: str | None) -> None:
    """Fit forests on features; print their table, what it says, and the report's path."""
    from lottery.forests.run import make_forests
    from lottery.record.text_table import text_table
    from lottery.report import report_at_end
    from lottery.report.words.forests import forest_answer, forest_table

    logging.getLogger("lottery.forests").setLevel(logging.INFO)  # a large forest takes minutes
    results = make_forests(request, device, data)
    table = forest_table(results)
    report = report_at_end(results.run.path.absolute())
    lines = [text_table(table.columns, table.cells), *forest_answer(results).sentences]
    print(*lines, *([report] if report else []), sep="\n")


def _find(arguments: argparse.Namespace) -> "Ticket":
    """Open the ticket, take it out of its run if it is not there yet, and print which it is."""
    from lottery.record.opened_run import open_run
    from lottery.record.run_dir import TicketDir
    from lottery.record.text_table import format_percent
    from lottery.ticket.extract import choose_round, take_out
    from lottery.ticket.ticket import open_ticket

    path, why, done = arguments.path, "as it stands", ", there already"
    if not TicketDir(path).ticket_json.exists():
        run = open_run(path)
        number, why = choose_round(run, arguments.round, arguments.within)
        ticket, is_new = take_out(run, number, trust_code=arguments.trust_code)
        done = "" if is_new else done
    elif arguments.round is not None or arguments.within is not None:
        raise ConfigError(f"{path}: a ticket; --round and --within are for the folder of a run")
    else:
        ticket = open_ticket(path, trust_code=arguments.trust_code)
    left = format_percent(ticket.entry["remaining"])
    print(f"{ticket.folder.path}: round {ticket.entry['round']}, {why}, {left} % left{done}")
    return ticket


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(prog="lottery-ticket", description=__doc__, examples=EXAMPLES)
    path = "the folder of a run, or of a ticket to verify"
    parser.add_argument("path", metavar="DIR", type=Path, help=path)
    which = parser.add_mutually_exclusive_group()
    number = (
        "the round to take (default: the winning round, which has the best validation score, such "
        "as accuracy; among several, the one with the fewest weights)"
    )
    within = (
        "or the round with the fewest weights whose validation accuracy is at most so many "
        "percentage points below that of the dense network; of a score that is no share, at most "
        "so much worse"
    )
    device = "where to verify (default: where the run was; a GPU if one is here)"
    which.add_argument("--round", type=int, metavar="N", help=number)
    which.add_argument("--within", type=float, metavar="POINTS", help=within)
    parser.add_argument("--device", choices=DEVICES, default="auto", help=device)
    export = "write the weights in the form of torch.nn.utils.prune, or in compressed sparse rows"
    weights = "the weights to export (default: %(default)s)"
    compared = "a JSON file with other models' metrics, to compare with the forests"
    parser.add_argument("--data", metavar="ROOT", help=DATA_HELP)
    parser.add_argument("--export", choices=("prune", "csr"), help=export)
    parser.add_argument("--weights", choices=("es", "final", "start"), default="es", help=weights)
    features = (
        "fit a random forest on the features of each of these layers, in the ticket's network and "
        "in the dense one; VGG-16's layers have Keras' names too"
    )
    parser.add_argument("--features", metavar="LAYER", nargs="+", help=features)
    parser.add_argument("--compare", metavar="FILE", type=Path, help=compared)
    parser.add_argument("--trust-code", action="store_true", help=TRUST_HELP)
    return parser
