"""The command `lottery-ticket`: take a run's winning ticket out, prove it, and use it."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from lottery.ticket.ticket import Ticket

MISTAKE = 2


def main() -> None:
    """The console command."""
    arguments = _parse()
    try:
        _work(arguments)
    except KeyboardInterrupt:
        _exit("stopped; what has been written is whole", 128 + signal.SIGINT)


def _work(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    from lottery.config import ConfigError
    from lottery.config.targets import make_cwd_importable
    from lottery.record.files import DamagedFile
    from lottery.runs.workers import WorkerDied  # torch: seconds, which --help need not wait for
    from lottery.ticket import format_checks
    from lottery.ticket.extract import WrongTicket

    make_cwd_importable()
    try:
        _answer(arguments)
    except DamagedFile as error:
        print("FAIL")
        _exit(str(error), 1)
    except WrongTicket as wrong:
        print(format_checks(wrong.checks))
        sys.exit(1)
    except (ConfigError, WorkerDied, OSError) as error:
        _exit(str(error), MISTAKE)


def _answer(arguments: argparse.Namespace) -> None:
    from lottery.ticket import format_checks
    from lottery.ticket.verify import verify

    compared = _read_compared(arguments)  # before the work that they would come after
    ticket = _find(arguments)
    if arguments.features:
        from lottery.forests.run import check_asked

        check_asked(ticket, arguments.features)
    checks = verify(ticket, arguments.device, arguments.data)
    print(format_checks(checks))
    if not all(check.passed for check in checks):
        sys.exit(1)
    if arguments.export:
        print(ticket.export(arguments.export, arguments.weights))
    if arguments.features:
        print(_fit_forests(ticket, arguments, compared))


def _read_compared(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from lottery.config import ConfigError
    from lottery.forests.other_programs import read_external

    if arguments.compare is None:
        return []
    if not arguments.features:
        raise ConfigError(f"--compare {arguments.compare}: needs --features")
    return read_external(arguments.compare)


def _fit_forests(
    ticket: "Ticket", arguments: argparse.Namespace, compared: list[dict[str, Any]]
) -> str:
    """Forests on features: the table, what it says, the report with them in it."""
    from lottery.forests.run import make_hybrids
    from lottery.record.text_table import text_table
    from lottery.report import report_at_end
    from lottery.report.words.forests import forest_answer, forest_table

    logging.getLogger("lottery.ticket").setLevel(logging.INFO)  # a large forest takes minutes
    hybrids = make_hybrids(
        *(ticket, arguments.features, compared), device=arguments.device, data=arguments.data
    )
    table, sentences = forest_table(hybrids), forest_answer(hybrids).sentences
    report = report_at_end(hybrids.run.path)
    text = text_table(table.columns, table.cells)
    return "\n".join([text, *sentences, *([str(report)] if report else [])])


def _find(arguments: argparse.Namespace) -> "Ticket":
    """The ticket, taken out of its run where it is not there; says on stdout which it is."""
    from lottery.api.load import load_run
    from lottery.config import ConfigError
    from lottery.record.run_dir import RunDir, TicketDir
    from lottery.record.text_table import format_percent
    from lottery.ticket.extract import choose_round, take_out
    from lottery.ticket.ticket import open_ticket

    path, why, written = arguments.path, "as it stands", False
    if not TicketDir(path).ticket_json.exists():
        run_dir = RunDir(load_run(path).path)
        number, why = choose_round(run_dir, arguments.round, arguments.within)
        written = take_out(run_dir, number)
    elif arguments.round is not None or arguments.within is not None:
        raise ConfigError(f"{path}: a ticket; --round and --within are for the folder of a run")
    ticket = open_ticket(path)
    left = format_percent(ticket.entry["remaining"])
    done = "" if written else ", there already"
    print(f"{ticket.folder.path}: round {ticket.entry['round']}, {why}, {left} % left{done}")
    return ticket


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lottery-ticket", description=__doc__)
    parser.add_argument(
        "path", metavar="DIR", type=Path, help="the folder of a run, or of a ticket to verify"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--round",
        type=int,
        metavar="N",
        help="the round to take (default: the winning round, of the highest validation accuracy, "
        "the sparsest of equals)",
    )
    which.add_argument(
        "--within",
        type=float,
        metavar="POINTS",
        help="or the sparsest round whose validation accuracy is at most so many percentage "
        "points below dense",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "gpu"),
        default="auto",
        help="where to verify (default: where the run was, a GPU if one is here)",
    )
    parser.add_argument(
        "--data",
        metavar="ROOT",
        help="where the data are now: as dataset.root, or the folder of images",
    )
    parser.add_argument(
        "--export",
        choices=("prune", "csr"),
        help="write the weights as torch.nn.utils.prune has them, or in compressed sparse rows",
    )
    parser.add_argument(
        "--weights",
        choices=("es", "final", "start"),
        default="es",
        help="the weights to export (default: %(default)s)",
    )
    parser.add_argument(
        "--features",
        metavar="LAYER",
        nargs="+",
        help="fit a random forest on the features of each of these layers, of the ticket's "
        "network and of the dense one; VGG-16's layers by Keras' names too",
    )
    parser.add_argument(
        "--compare",
        metavar="FILE",
        type=Path,
        help="a JSON file of other models' metrics, to stand beside the forests",
    )
    return parser.parse_args()


def _exit(message: str, code: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
