#!/usr/bin/env python3
"""Compare the framework's speed with a bare PyTorch loop, and time its parts.

    .venv/bin/python scripts/benchmark.py                    everything, some minutes
    .venv/bin/python scripts/benchmark.py rounds --repeat 15 one part
    .venv/bin/python scripts/benchmark.py --quick            only check that it works

Prints tables; --json writes the numbers. The machine should do nothing else. PyTorch chooses the
number of threads; OMP_NUM_THREADS=1 before the command changes it.
"""

import argparse
import json
import logging
import socket
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch
from benchmarks.between import time_between
from benchmarks.figure import FIGURES, QUICK_FIGURES, time_figures
from benchmarks.native import compare_native
from benchmarks.pruning import QUICK_SIZES, SIZES, time_pruning
from benchmarks.rounds import compare_rounds
from benchmarks.settings import GPU_SETTINGS, QUICK_SETTINGS, SETTINGS, Setting
from benchmarks.stacked import DIGITS, compare_stacked
from benchmarks.startup import COMMANDS, QUICK_COMMANDS, time_startup
from benchmarks.steps import split_steps

from lottery.config.provenance import device_name, git_commit, versions

Rows = list[dict[str, Any]]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "parts",
        nargs="*",
        help="rounds, native, steps, stacked, pruning, between, figure, startup",
    )
    parser.add_argument("--repeat", type=int, default=7, help="number of repetitions")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    parts = parts_of(quick=arguments.quick, repeat=1 if arguments.quick else arguments.repeat)
    if unknown := set(arguments.parts) - parts.keys():
        parser.error(f"{', '.join(sorted(unknown))}: one of {', '.join(parts)}")
    device = device_name("gpu" if torch.cuda.is_available() else "cpu")
    here = {"host": socket.gethostname(), "device": device, "threads": torch.get_num_threads()}
    print(f"{date.today()}, commit {git_commit()}, {device}, {here['threads']} threads")
    results = {}
    for name in arguments.parts or parts:
        results[name] = parts[name]()
        print("\n" + table(results[name]), flush=True)
    if arguments.json:
        entry = {"date": str(date.today()), "commit": git_commit(), "machine": here}
        entry |= {"versions": versions(), "results": results}
        arguments.json.write_text(json.dumps(entry, indent=1))


def parts_of(*, quick: bool, repeat: int) -> dict[str, Callable[[], Rows]]:
    """Return the measurements by name."""
    full = GPU_SETTINGS if torch.cuda.is_available() else SETTINGS
    settings = QUICK_SETTINGS if quick else full
    return {
        "rounds": lambda: compare_rounds(settings, repeat),
        "native": lambda: compare_native(20 if quick else 400, repeat),
        "steps": lambda: split_steps(settings, repeat),
        "stacked": lambda: (
            compare_stacked(QUICK_SETTINGS, repeat, (2,))
            if quick
            else compare_stacked(DIGITS | _lenets(full), repeat, (3, 10))
        ),
        "pruning": lambda: time_pruning(QUICK_SIZES if quick else SIZES, repeat),
        "between": lambda: time_between(settings, repeat),
        "figure": lambda: time_figures(QUICK_FIGURES if quick else FIGURES, repeat),
        "startup": lambda: time_startup(QUICK_COMMANDS if quick else COMMANDS, repeat),
    }


def _lenets(settings: dict[str, Setting]) -> dict[str, Setting]:
    """Return the settings of small networks, for which a step is mostly overhead."""
    return {name: setting for name, setting in settings.items() if "LeNet" in name}


def table(rows: Rows) -> str:
    """Return rows with equal keys as a table of aligned columns."""
    lines = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _text(value: Any) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 100
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )


if __name__ == "__main__":
    sys.exit(main())
