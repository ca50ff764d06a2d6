"""The proof of a ticket: its tensors, its run's files, and its accuracies in a fresh process."""

import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from lottery.config.frozen_features import compute_features
from lottery.config.network import build_loss, set_memory_format
from lottery.config.provenance import machine
from lottery.data import Split
from lottery.errors import ConfigError
from lottery.measure.evaluate import evaluate
from lottery.record.results import read_record
from lottery.record.run_dir import RunDir
from lottery.runs.workers import WorkerDied
from lottery.signals import StopRequest
from lottery.ticket import PARTS, Check, check_run, check_tensors
from lottery.ticket.extract import facts_of, find_source, read_parts
from lottery.ticket.ticket import Ticket, open_ticket

# column of results.csv: weights and split it is measured with
COLUMNS = {
    "val": ("es", "val"),
    "test": ("es", "test"),
    "val_last": ("final", "val"),
    "test_last": ("final", "test"),
}
TOLERANCE = 0.005  # of accuracies elsewhere than where the run measured them


@dataclass(frozen=True)
class Counted:
    """What a fresh process has measured.

    Args:
        device: as run.json names it.
        correct: examples classified rightly, by column of results.csv.
        examples: of the column's split.
    """

    device: str
    correct: Mapping[str, int]
    examples: Mapping[str, int]


def verify(ticket: Ticket, device: str, data: str | None) -> list[Check]:
    """Everything there is to check of a ticket; accuracies only where its tensors are in order.

    Args:
        ticket: its files compared with their digests already.
        device: "auto" (the run's kind, where there is one), "cpu" or "gpu".
        data: where the data are now; None for where they were.

    Raises:
        ConfigError: data, device or the network's class are not to be had.
        WorkerDied: the fresh process was killed.
    """
    entry, run_dir = ticket.entry, find_run(ticket)
    tensors = {name: ticket.part(name) for name in PARTS}
    if run_dir is None:
        record = {"row": entry["row"], "layers": entry["layers"]}
        initial = ("initial", tensors["initial"]) if entry["rewind_step"] == 0 else None
        checks = check_tensors(tensors, record, initial)
    else:
        record = read_record(run_dir.round(entry["round"]))
        stored = read_parts(run_dir, entry["round"])
        source = find_source(run_dir, entry["round"], stored["initial"])
        checks = check_tensors(tensors, record, source)
        checks += check_run(tensors, stored, entry, record, facts_of(run_dir, record))
    if all(check.passed for check in checks):
        checks += compare(ticket, count_in_fresh_process(ticket.folder.path, device, data))
    return checks


def find_run(ticket: Ticket) -> RunDir | None:
    """The run whose folder the ticket is in, if it is its own."""
    run_dir = RunDir(ticket.folder.path.absolute().parent)
    return run_dir if run_dir.run_json.exists() and ticket.is_of(run_dir) else None


def compare(ticket: Ticket, counted: Counted) -> list[Check]:
    """Accuracies as counts of examples: equal where the run measured, near elsewhere."""
    entry = ticket.entry
    exact = counted.device == entry["device"] and not entry["reordered"]
    checks = []
    for column, (weights, _) in COLUMNS.items():
        examples, correct = counted.examples[column], counted.correct[column]
        accuracy = entry["row"][column]
        wanted = round(accuracy * examples)
        passed = correct == wanted
        if not exact:
            passed = abs(correct / examples - accuracy) <= TOLERANCE
        about = "" if exact else " to 0.5 points"
        what = f"{column}: correct with {weights} weights"
        checks.append(Check(what, f"{wanted} of {examples}{about}", str(correct), passed))
    return checks


def count_in_fresh_process(path: Path, device: str, data: str | None) -> Counted:
    """`count_correct` where nothing is left of this process.

    Raises:
        WorkerDied: it was killed.
    """
    fresh = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
            return pool.submit(count_correct, path, device, data).result()
    except BrokenProcessPool as error:
        raise WorkerDied(
            "the process that measured was killed; was there enough memory?"
        ) from error


def count_correct(path: Path, device: str, data: str | None) -> Counted:
    """What a ticket's folder alone gives: its network, its weights, the run's data.

    Args:
        path: the folder.
        device: "auto", "cpu" or "gpu".
        data: where the data are now; None for where they were.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic GPUs
    ticket = open_ticket(path)
    torch.set_num_threads(ticket.entry["threads"])
    torch.use_deterministic_algorithms(ticket.entry["deterministic"] is True)
    accelerator = choose_device(device, ticket.entry["device"])
    here = torch.device("cuda" if accelerator == "gpu" else "cpu")
    splits = ticket.splits(data)
    inputs = {name: getattr(splits, name).to(here, ticket.dtype) for name in ("val", "test")}
    base = ticket.base()
    if base is not None:
        inputs = {name: on_features(base.to(here), split) for name, split in inputs.items()}
    loss = build_loss(ticket.model, splits.num_classes, device=here, dtype=ticket.dtype)
    networks = {
        name: set_memory_format(ticket.trained(name).to(here), accelerator)
        for name in ("es", "final")
    }
    accuracies = {
        column: evaluate(networks[weights], inputs[split], loss).accuracy
        for column, (weights, split) in COLUMNS.items()
    }
    examples = {column: len(inputs[split]) for column, (_, split) in COLUMNS.items()}
    correct = {column: round(accuracies[column] * examples[column]) for column in COLUMNS}
    return Counted(machine(accelerator)["device"], correct, examples)


def choose_device(asked: str, device: str) -> str:
    """Where to compute: "cpu" or "gpu".

    Args:
        asked: "auto", "cpu" or "gpu".
        device: where the run was, as run.json names it.

    Raises:
        ConfigError: a GPU is asked for that is not there.
    """
    there = torch.cuda.is_available()
    if asked == "gpu" and not there:
        raise ConfigError("--device gpu: no GPU is visible here; accepted: cpu, auto")
    if asked == "auto":
        return "gpu" if there and device.startswith("gpu") else "cpu"
    return asked


def on_features(base: nn.Module, images: Split) -> Split:
    """A split with a frozen base's features for images."""
    features = compute_features(base, images, StopRequest())
    return Split(features.to(images.targets.device), images.targets)
