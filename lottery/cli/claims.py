"""The command `lottery-claims`: published claims, the runs they need, and whether they hold."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lottery.cli.common import check_surroundings, command_line, errors_end_the_command
from lottery.cli.parser import Parser

if TYPE_CHECKING:
    from lottery.claims.claim import Claim

ALL = "all"
EXAMPLES = (
    ("lottery-claims list", "what is claimed, and what its runs cost"),
    ("lottery-claims run all scale=small", "the runs of all claims, in a small form"),
    ("lottery-claims run all scale=small --dry-run", "which runs these are, and how far"),
    ("lottery-claims judge outputs", "whether the claims hold, by the runs there"),
)


def main() -> None:
    """Run the command."""
    check_surroundings(needs_torch=False)
    arguments = _parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with errors_end_the_command(command_line("lottery-claims")):
        arguments.do(arguments)


def _list(_: argparse.Namespace) -> None:
    from lottery.claims.read import read_claims  # --help need not wait for it

    for claim in read_claims().values():
        costs = [f"{name}: {scale.cost}" for name, scale in claim.scales.items()]
        lacks = f"cannot be run yet: lottery lacks {'; '.join(claim.needs)}"
        print(
            f"{claim.id}\n    {claim.statement}\n    {lacks if claim.needs else '; '.join(costs)}"
        )


def _run(arguments: argparse.Namespace) -> None:
    from lottery.claims.sweeps import do_sweeps, find_sweeps, note_runs
    from lottery.record.disk_errors import check_writable, disk_errors_in

    scale, ids, more = _read_words(arguments.words)
    claims = _choose(ids, scale)
    sweeps, arms = find_sweeps(claims, scale, seeds=arguments.seeds, more=more)
    print("\n".join(sweep.describe() for sweep in sweeps))
    if arguments.dry_run:
        return
    outputs = arms[claims[0].id][0].folder.parent
    check_writable(outputs, "output_dir")
    with disk_errors_in(outputs):
        note_runs(claims, scale, arms, arguments.seeds)
        for line in do_sweeps(sweeps):
            print(line, flush=True)
    print(f"judge them: lottery-claims judge {outputs}")


def _judge(arguments: argparse.Namespace) -> None:
    from lottery.claims.judge import judge_claim
    from lottery.claims.read import read_claims
    from lottery.claims.words import verdict_lines
    from lottery.claims.write import write_verdicts
    from lottery.errors import NoRun
    from lottery.record.disk_errors import check_writable, disk_errors_in

    folders = [folder.absolute() for folder in arguments.folders]
    for folder in folders:
        if not (folder / "claims").is_dir():
            raise NoRun(f"{folder}: no claims/ in it, which `lottery-claims run` makes in outputs")
    out = (arguments.out or folders[0] / "claims").absolute()
    check_writable(out, "--out")
    verdicts = [one for claim in read_claims().values() for one in judge_claim(claim, folders)]
    print("\n".join(map(verdict_lines, verdicts)))
    with disk_errors_in(out):
        print(write_verdicts(verdicts, out))


def _read_words(words: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Return the scale, the claims' ids, and the overrides."""
    scales = [word.removeprefix("scale=") for word in words if word.startswith("scale=")]
    ids = [word for word in words if "=" not in word]
    more = [word for word in words if "=" in word and not word.startswith("scale=")]
    return scales[-1] if scales else "full", ids, more


def _choose(ids: Sequence[str], scale: str) -> list["Claim"]:
    from lottery.claims.claim import SCALES
    from lottery.claims.read import read_claims
    from lottery.errors import ConfigError
    from lottery.nearest import did_you_mean

    claims = read_claims()
    if scale not in SCALES:
        raise ConfigError(f"scale={scale}: one of {', '.join(SCALES)}")
    for name in ids:
        if name not in (*claims, ALL):
            near = did_you_mean(name, claims) or "`lottery-claims list` lists them"
            raise ConfigError(f"{name}: no such claim; {near}")
    if ALL in ids:  # those that can be run
        return [one for one in claims.values() if scale in one.scales and not one.needs]
    if not ids:
        raise ConfigError(f"no claim is named; `lottery-claims list` lists them, or {ALL}")
    return [claims[name] for name in dict.fromkeys(ids)]


def _seeds(text: str) -> int:
    from lottery.claims.runs_file import MOST_SEEDS

    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_SEEDS):
        message = f"{text!r}: a whole number from 1 to {MOST_SEEDS:,}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(prog="lottery-claims", description=__doc__, examples=EXAMPLES)
    commands = parser.add_subparsers(required=True, metavar="list | run | judge")
    listing = commands.add_parser("list", help="claims with their cost")
    listing.set_defaults(do=_list)
    run = commands.add_parser(
        "run",
        help="do the sweeps that claims need",
        description="Do the sweeps that claims need, each once, one after the other. The same "
        "command carries on what was stopped or killed. Reports of the sweeps are left out "
        "(LOTTERY_REPORT=0).",
    )
    words = (
        "ids of claims, or all; scale=small for short runs on two CPU cores; overrides that "
        "change no results, such as hydra/launcher=local_parallel, output_dir=DIR"
    )
    dry = "print the sweeps and how far they are; do nothing"
    seeds = "more seeds than the claims name"
    run.add_argument("words", metavar="ID | KEY=VALUE", nargs="+", help=words)
    run.add_argument("--dry-run", action="store_true", help=dry)
    run.add_argument("--seeds", type=_seeds, metavar="N", help=seeds)
    run.set_defaults(do=_run)
    judge = commands.add_parser("judge", help="whether claims hold, by the runs that are there")
    judge.add_argument(
        "folders", metavar="DIR", nargs="+", type=Path, help="outputs of `lottery-claims run`"
    )
    out = "folder for claims.html, claims.md and the figure (default: claims/ of the first DIR)"
    judge.add_argument("--out", type=Path, help=out)
    judge.set_defaults(do=_judge)
    return parser


def _parse() -> argparse.Namespace:
    parser = make_parser()
    arguments, rest = parser.parse_known_args()  # ids may stand on both sides of an option
    if rest and (arguments.do is not _run or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.words += rest
    return arguments
