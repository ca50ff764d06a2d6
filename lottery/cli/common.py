"""What the commands share: what they check first, their exit codes, the line that ends them."""

import argparse
import errno
import os
import resource
import select
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from lottery.errors import FAILED, MISTAKE, LotteryError, UntrustedCode, memory_errors
from lottery.signals import Stopped

DEVICES = ("auto", "cpu", "gpu")
TRUST_HELP = "make classes that are neither lottery's nor torch's: you trust who wrote the folder"
DATA_HELP = "where the data are now: as dataset.root, or the folder of images"
STDOUT, STDERR = 1, 2
TORCH_BYTES = 2 * 10**9  # of address space; a small run on a CPU needs 1.5 GB


def check_surroundings(*, needs_torch: bool = True) -> None:
    """Check what a command needs before it imports much: streams, a current folder, memory."""
    _prepare_streams()
    try:
        Path.cwd()
    except FileNotFoundError:
        end("error: the current folder has been removed; go to another one", MISTAKE)
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if needs_torch and resource.RLIM_INFINITY != limit < TORCH_BYTES:
        here = f"{limit / 1e9:.1f} GB of memory here (ulimit -v)"
        end(f"error: {here}; a run needs at least {TORCH_BYTES / 1e9:g} GB", MISTAKE)


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
        with memory_errors():
            yield
        sys.stdout.flush()
    except LotteryError as error:
        end(f"error: {describe(error)}", error.exit_code, is_main=is_main)
    except OSError as error:
        _end_if_output_is_lost(error)
        raise
    except (KeyboardInterrupt, Stopped) as stop:
        signum = stop.signum if isinstance(stop, Stopped) else int(signal.SIGINT)
        what = str(stop) if isinstance(stop, Stopped) else "stopped"
        print_on_main(f"{what}; resume with: {same_command}", is_main=is_main, error=True)
        handler = signal.getsignal(signum)
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signum, None)  # a launcher's: submitit queues the job again
        # Under SLURM the first process that fails ends the others; let that be the main one.
        sys.exit(128 + signum if is_main else 0)


def name_the_command(command: str, error: LotteryError) -> str:
    """Return the line of an error; one of untrusted code names the command that trusts it."""
    if isinstance(error, UntrustedCode):
        return f"{error.reason}; if you trust its author: {command} --trust-code"
    return str(error)


def numbers(text: str) -> list[int]:
    """Return the round numbers of an option."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        message = f"{text!r}: round numbers, such as 0,7"
        raise argparse.ArgumentTypeError(message) from None


def end(line: str, code: int, *, is_main: bool = True) -> NoReturn:
    """End the command with a line on stderr and an exit code."""
    print_on_main(line, is_main=is_main, error=True)
    sys.exit(code)


def print_on_main(text: str, *, is_main: bool, error: bool = False) -> None:
    """Print a text, on one of a run's processes only."""
    if is_main and error:
        with suppress(OSError):  # nobody reads it
            print(text, file=sys.stderr)
    elif is_main:
        print(text)


def _prepare_streams() -> None:
    """Open standard streams that were closed by `2>&-`, or a file of ours would get their number.

    Stdout shows characters that its encoding lacks as escapes.
    """
    number = 0
    while number <= STDERR:
        number = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w")  # noqa: SIM115  # open until the command ends
            setattr(sys, name, stream)
    # a terminal that is not UTF-8 has not all characters; Python's stderr escapes them by itself
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _end_if_output_is_lost(error: OSError) -> None:
    """End the command if the error is that of stdout; in silence if its reader has gone."""
    poll = select.poll()
    poll.register(STDOUT)
    reader_has_gone = any(event & select.POLLERR for _, event in poll.poll(0))
    of_stdout = _error_of_stdout(error, reader_has_gone=reader_has_gone)
    if of_stdout is None:
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # for the flush when Python ends
    if reader_has_gone:
        sys.exit(0)
    end(f"error: standard output: {of_stdout.strerror}", FAILED)


def _error_of_stdout(error: OSError, *, reader_has_gone: bool) -> OSError | None:
    """Return the error of writing what stdout still holds, or the given one if it is stdout's."""
    try:
        sys.stdout.flush()
    except OSError as of_stdout:
        return of_stdout
    is_full = error.errno == errno.ENOSPC and error.filename is None  # a file of ours has a name
    is_unread = reader_has_gone and isinstance(error, BrokenPipeError)
    return error if is_full or is_unread else None
