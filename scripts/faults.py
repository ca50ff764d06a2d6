#!/usr/bin/env python3
"""Let each write of a run fail, start the run again, and compare it with an undisturbed run.

    scripts/faults.py                       every write, every fault (hours; --jobs 2 halves them)
    scripts/faults.py --sample 20           some writes only
    scripts/faults.py --report              also the writes of the run's report
    scripts/faults.py --points 17 --faults EIO      one case again; --keep PATH keeps its folder

A fault is KILL (kill -9, after half of a write), EIO (of this one write), ENOSPC or EROFS (of this
write and later ones, as of a full or a read-only disk). The failed run must end in one line, the
second start must find or finish the run with equal tables, records and tensors, and leave no other
files. Needs Linux on x86-64 and a C compiler. For kills at random moments see scripts/soak.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import errno
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from run_differences import OF_REPORT, differences, only_run

os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
ROOT = Path(__file__).resolve().parents[1]
# KILL is what faults.c takes for kill -9
FAULTS = {"KILL": -1, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}
SHOWN_EVERY = 100  # cases
PATIENCE = 300  # seconds; a command that takes longer hangs
SETTING = (
    "rounds=1",
    "iterations=20",
    "evaluation.every=10",
    "trainer.threads=1",
    "checkpoint.every_seconds=0.0001",
    "reinit.to=5",
    "reinit.optimizer_state=restored",
)
# What a run imports while it works
IMPORTED = (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.figure",
    "pandas",
    "plotly.offline",
    "pytorch_lightning.loggers",
    "scipy.special",
    "sklearn.datasets",
    "torch.utils.tensorboard",
    "lottery.cli.train",
    "lottery.dynamic",
    "lottery.imp.loop",
    "lottery.models",
    "lottery.pruning",
    "lottery.reinit",
)


@dataclass(frozen=True)
class Case:
    """One fault at one write."""

    point: int  # counts from 1
    fault: str


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int  # minus the signal
    error: str  # what it wrote on stderr
    writes: list[str]  # the path of each write, in order


def main() -> None:
    """Run the cases; exit with 1 if one of them shows a fault of ours."""
    arguments = parse()
    home = Path(tempfile.mkdtemp(prefix="faults-"))  # its forks do not remove it at their exits
    try:
        library = compile_shim(home)
        import_all()
        whole = home / "whole"
        writes = start(whole, library, report=arguments.report).writes
        points = arguments.points or range(1, len(writes) + 1)
        cases = [Case(point, fault) for point in points for fault in arguments.faults]
        random.seed(arguments.seed)
        if arguments.sample:
            cases = sorted(random.sample(cases, arguments.sample), key=lambda case: case.point)
        print(f"{len(writes)} writes, {len(cases)} cases, seed {arguments.seed}", flush=True)
        begin, bad = time.monotonic(), 0
        judge_case = partial(
            judge,
            home=home,
            library=library,
            report_from=first_of_report(writes),
            keep=arguments.keep,
        )
        with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
            judged = pool.imap_unordered(judge_case, cases)
            for number, (case, lines) in enumerate(judged, start=1):
                bad += bool(lines)
                if number % SHOWN_EVERY == 0:
                    print(f"{number} of {len(cases)} cases", file=sys.stderr, flush=True)
                for line in lines:
                    print(
                        f"{case.point} {case.fault} {writes[case.point - 1]}: {line}", flush=True
                    )
    finally:
        shutil.rmtree(home)
    seconds = time.monotonic() - begin
    print(f"{len(cases)} cases, {bad} with problems, {seconds:.0f} s")
    sys.exit(1 if bad else 0)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--points", nargs="+", type=int, help="numbers of writes")
    parser.add_argument("--sample", type=int, help="how many cases, drawn at random")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--report", action="store_true", help="with a report at the end")
    parser.add_argument("--keep", type=Path, help="copy the folders of cases with problems here")
    return parser.parse_args()


def compile_shim(home: Path) -> Path:
    """Compile faults.c."""
    library = home / "faults.so"
    source = Path(__file__).with_suffix(".c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return library


def import_all() -> None:
    """Import what a run uses; each run is then a fork of this process, in a second less."""
    sys.path.insert(0, str(ROOT))
    for name in IMPORTED:
        import_module(name)
    from hydra.core.plugins import Plugins

    Plugins.instance()  # looks through all packages, once


def first_of_report(writes: list[str]) -> int:
    """Return the number of the first write that is one of a report's; 0 if there is none."""
    parts = [{part.strip(".").removesuffix(".part") for part in Path(w).parts} for w in writes]
    return next((n for n, names in enumerate(parts, 1) if names & set(OF_REPORT)), 0)


def judge(
    case: Case, *, home: Path, library: Path, report_from: int, keep: Path | None
) -> tuple[Case, list[str]]:
    """Run a case; return what is wrong."""
    folder = home / f"{case.point}_{case.fault}"
    report = 0 < report_from <= case.point  # to make one takes longer than all the rest
    failed = start(folder, library, case, report=report)
    again = start(folder, library, report=report)
    problems = [*problems_of_failed(case, failed), *problems_of_second(again)]
    problems += differences(only_run(home / "whole"), only_run(folder))
    if problems and keep:
        shutil.copytree(folder, keep / folder.name, dirs_exist_ok=True)
        (keep / folder.name / "stderr").write_text(failed.error + "\n--- again\n" + again.error)
    shutil.rmtree(folder)
    return case, problems


def start(folder: Path, library: Path, case: Case | None = None, *, report: bool) -> Done:
    """Run the command in a fork of this process, its output below a folder."""
    os.environ["LOTTERY_REPORT"] = "1" if report else "0"
    folder.mkdir(exist_ok=True)
    aside = folder.with_name(f"{folder.name}.out")  # not where the writes are counted
    aside.mkdir(exist_ok=True)
    process = os.fork()
    if not process:
        run_here(folder, aside, library, case)
    deadline = time.monotonic() + PATIENCE
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(process, 9)
            os.waitpid(process, 0)
            return Done(-1, "it hangs", [])
        time.sleep(0.01)
    writes = [line.split(" ", 2)[2] for line in (aside / "writes").read_text().splitlines()]
    return Done(os.waitstatus_to_exitcode(ended[1]), (aside / "stderr").read_text(), writes)


def run_here(folder: Path, aside: Path, library: Path, case: Case | None) -> None:
    """Be the command; never return."""
    code = 1
    try:
        for number, name in enumerate(("stdout", "stderr"), start=1):
            os.dup2(os.open(aside / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        writes = os.open(aside / "writes", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.environ["PATH"] = "/nonexistent"  # git would inherit the filter without the handler
        os.chdir(aside)
        sys.argv = ["lottery", *SETTING, f"output_dir={folder}/outputs"]
        at, fault = (case.point, FAULTS[case.fault]) if case else (0, 0)
        if ctypes.CDLL(str(library)).arm(os.fsencode(folder), at, fault, writes):
            raise OSError("seccomp refuses the filter")
        code = exit_code_of_command()
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def exit_code_of_command() -> int:
    """Run the command as the interpreter would."""
    from lottery.cli.train import main

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        atexit._run_exitfuncs()
    return 0


def problems_of_failed(case: Case, done: Done) -> Iterator[str]:
    """Check that a run that failed says so in one line."""
    yield from traces(done.error)
    if case.fault == "KILL":
        if done.code not in (-9, 0):
            yield f"ended with {done.code}"
    elif done.code:
        lines = done.error.splitlines() or [""]
        errors = [line for line in lines if re.match("error: ", line)]
        if done.code not in (1, 2) or errors != lines[-1:]:
            yield f"ended with {done.code} and {lines[-1]!r}, {len(errors)} error lines"


def problems_of_second(done: Done) -> Iterator[str]:
    """Check that the second start ends well."""
    yield from traces(done.error)
    if done.code:
        yield f"the second start ended with {done.code}: {(done.error.splitlines() or [''])[-1]}"


def traces(error: str) -> list[str]:
    """Return a line for each traceback, and for a hang."""
    signs = ("Traceback", "Exception ignored", "Logging error", "it hangs")
    lines = error.splitlines()
    found = [line for line in lines if any(sign in line for sign in signs)]
    return [f"{line} ... {lines[-1]}" for line in found]


if __name__ == "__main__":
    main()
