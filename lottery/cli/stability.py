"""The command `lottery-stability`: linear mode connectivity of a finished run's networks."""

import logging
from functools import partial
from pathlib import Path

from lottery.cli.common import (
    DATA_HELP,
    DEVICES,
    TRUST_HELP,
    check_surroundings,
    command_line,
    errors_end_the_command,
    name_the_command,
    numbers,
)
from lottery.cli.parser import Parser

EXAMPLES = (
    ("lottery-stability RUN", "rounds 0 and the winning one, three pairs of copies"),
    ("lottery-stability RUN --steps 0,100,1ep", "copies from these steps on"),
    ("lottery-stability RUN --between rounds", "lines between the ends of rounds; trains nothing"),
    ("lottery-stability RUN --with OTHER", "lines to the rounds of another run"),
)


def main() -> None:
    """Run the command."""
    check_surroundings()
    arguments = make_parser().parse_args()

    from lottery.config.targets import make_cwd_importable
    from lottery.progress import StderrHandler  # --help need not wait for it
    from lottery.stability import run

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[StderrHandler()])
    if arguments.trust_code:
        make_cwd_importable()
    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    command = command_line("lottery-stability")
    with errors_end_the_command(command, describe=partial(name_the_command, command)):
        print(run.analyse_stability(arguments.run, run.StabilityOptions(**options)))
    print(arguments.run.absolute() / "stability")


def make_parser() -> Parser:
    """Make the parser of the command's options."""
    parser = Parser(
        prog="lottery-stability",
        examples=EXAMPLES,
        description=f"{__doc__} Copies of a round's network are trained from step k to the end; "
        "they differ in data order, augmentation and dropout alone. Then the error is measured "
        "on the straight line between two copies. Finished pairs are kept in RUN_DIR/stability.",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="the folder of a run")
    parser.add_argument(
        "--rounds", type=numbers, help="such as 0,7 (default: 0 and the winning round)"
    )
    parser.add_argument(
        "--steps",
        type=_words,
        help="k, on the run's clock, such as 0,100,1ep (default: the step each round starts at)",
    )
    pairs = "pairs of copies for each (default: 3)"
    points = "points on the line, its ends included (default: %(default)s)"
    between = "train no copies; measure the lines from the end of each round to that of the next"
    other = "... or those to the ends of the same rounds of another run"
    align = "first give the second network's hidden units the order in which they are most like"
    device = "where to train (default: as the run)"
    parser.add_argument("--pairs", type=int, help=pairs)
    parser.add_argument("--points", type=int, default=30, help=points)
    lines = parser.add_mutually_exclusive_group()
    lines.add_argument("--between", choices=("rounds",), help=between)
    lines.add_argument("--with", metavar="OTHER", dest="other", type=Path, help=other)
    parser.add_argument("--align", choices=("weights", "activations"), help=align)
    parser.add_argument("--data", metavar="ROOT", help=DATA_HELP)
    parser.add_argument("--device", choices=DEVICES, help=device)
    parser.add_argument("--trust-code", action="store_true", help=TRUST_HELP)
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]
