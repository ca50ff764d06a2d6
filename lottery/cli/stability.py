"""The command `lottery-stability`: linear mode connectivity of a finished run's networks."""

import argparse
import logging
import shlex
import signal
import sys
from pathlib import Path

MISTAKE = 2


def main() -> None:
    """The console command."""
    arguments = _parse()

    from lottery.config import ConfigError
    from lottery.config.targets import make_cwd_importable
    from lottery.progress import StderrHandler
    from lottery.runs.lifecycle import is_known  # --help need not wait for it
    from lottery.runs.run_lock import RunLocked
    from lottery.signals import Stopped
    from lottery.stability.run import Asked, analyse_stability

    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[StderrHandler()])
    make_cwd_importable()
    given = {name: value for name, value in vars(arguments).items() if name != "run"}
    try:
        print(analyse_stability(arguments.run, Asked(**given)))
    except (KeyboardInterrupt, Stopped) as stop:
        signum = stop.signum if isinstance(stop, Stopped) else int(signal.SIGINT)
        what = str(stop) if isinstance(stop, Stopped) else "stopped"
        command = shlex.join(["lottery-stability", *sys.argv[1:]])
        print(f"{what}; carry on with: {command}", file=sys.stderr)
        sys.exit(128 + signum)
    except Exception as error:
        if not is_known(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISTAKE if isinstance(error, ConfigError | RunLocked) else 1)
    print(arguments.run.absolute() / "stability")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lottery-stability",
        description=f"{__doc__} Copies of a round's network are trained from step k to the end, "
        "which differ in data order, augmentation and dropout alone; then the error is measured "
        "on the straight line between them. Finished pairs are kept in RUN_DIR/stability.",
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="the folder of a run")
    parser.add_argument(
        "--rounds", type=_numbers, help="such as 0,7 (default: 0 and the winning round)"
    )
    parser.add_argument(
        "--steps",
        type=_words,
        help="k, on the run's clock, such as 0,100,1ep (default: where each round starts)",
    )
    parser.add_argument(
        "--pairs", type=int, default=3, help="pairs of copies for each (default: %(default)s)"
    )
    parser.add_argument(
        "--points",
        type=int,
        default=30,
        help="points on the line, its ends included (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        metavar="ROOT",
        help="where the data are now: as dataset.root, or the folder of images",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), help="where to train (default: as the run)"
    )
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: round numbers, such as 0,7") from None


if __name__ == "__main__":
    main()
