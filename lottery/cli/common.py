"""What the commands share: their exit codes, and the line on stderr that ends them."""

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from lottery.errors import LotteryError
from lottery.signals import Stopped

DEVICES = ("auto", "cpu", "gpu")
DATA_HELP = "where the data are now: as dataset.root, or the folder of images"


def command_line(program: str) -> str:
    """Return this command as it was typed."""
    return shlex.join([program, *sys.argv[1:]])


@contextmanager
def errors_end_the_command(
    same_command: str,
    *,
    is_main: bool = True,
    describe: Callable[[LotteryError], str] = str,
) -> Iterator[None]:
    """End the command in one line at an error of ours and at a signal; others keep a traceback.

    `same_command` carries the work on, `describe` makes the line of an error. Of several processes
    of one command, only the main one prints.
    """
    try:
        yield
    except LotteryError as error:
        end(f"error: {describe(error)}", error.exit_code, is_main=is_main)
    except (KeyboardInterrupt, Stopped) as stop:
        signum = stop.signum if isinstance(stop, Stopped) else int(signal.SIGINT)
        what = str(stop) if isinstance(stop, Stopped) else "stopped"
        print_on_main(f"{what}; resume with: {same_command}", is_main=is_main, error=True)
        handler = signal.getsignal(signum)
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signum, None)  # a launcher's: submitit queues the job again
        # Under SLURM the first process that fails ends the others; let that be the main one.
        sys.exit(128 + signum if is_main else 0)


def end(line: str, code: int, *, is_main: bool = True) -> NoReturn:
    """End the command with a line on stderr and an exit code."""
    print_on_main(line, is_main=is_main, error=True)
    sys.exit(code)


def print_on_main(text: str, *, is_main: bool, error: bool = False) -> None:
    """Print a text, on one of a run's processes only."""
    if is_main:
        print(text, file=sys.stderr if error else sys.stdout)
