"""The proof of a ticket: its tensors, its run's files, and its accuracies in a fresh process."""

import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.frozen_features import compute_features
from lottery.config.network import build_loss, set_memory_format
from lottery.config.provenance import machine
from lottery.data import Split, Splits
from lottery.errors import ConfigError
from lottery.measure.evaluate import evaluate
from lottery.runs.process_group import WorkerDied
from lottery.runs.workers import safe_path
from lottery.signals import StopRequest
from lottery.ticket.checks import TicketCheck, check_run, check_tensors
from lottery.ticket.extract import facts_of, find_source, read_parts
from lottery.ticket.files import PARTS
from lottery.ticket.ticket import Ticket, open_ticket

# column of results.csv: the weights and the split that it is measured with
MEASURED = {
    "val": ("es", "val"),
    "test": ("es", "test"),
    "val_last": ("final", "val"),
    "test_last": ("final", "test"),
}
TOLERANCE = 0.005  # of accuracies on another device than the run's


@dataclass(frozen=True)
class CorrectCounts:
    """How many examples a ticket's networks classify correctly, counted in a fresh process."""

    device: str  # as run.json names it
    correct: Mapping[str, int]  # by column of results.csv
    examples: Mapping[str, int]  # of the column's split


def verify(ticket: Ticket, device: str, data: str | None) -> list[TicketCheck]:
    """Check everything of a ticket; the accuracies only if its tensors are in order.

    `device` is "auto" (the run's kind of device, if there is one here), "cpu" or "gpu"; `data`
    says where the data are now, None: where they were.
    """
    ticket.settings(data)  # checked before any work
    with ticket.making():
        checks = _check_files(ticket)
    if ticket.module is not None:
        again = "not measured again: its data only the module's own loops read"
        return [*checks, TicketCheck("val, test", "the run's", again, passed=True)]
    if all(check.passed for check in checks):
        counts = count_in_fresh_process(ticket.folder.path, device, data, ticket.trust_code)
        with ticket.making():
            checks += compare(ticket, counts)
    return checks


def _check_files(ticket: Ticket) -> list[TicketCheck]:
    entry, run, trust_code = ticket.entry, ticket.run, ticket.trust_code
    tensors = {name: ticket.part(name) for name in PARTS}
    record: Mapping[str, Any]
    if run is None:
        record = {"row": entry["row"], "layers": entry["layers"]}
        initial = ("initial", tensors["initial"]) if entry["rewind_step"] == 0 else None
        checks = check_tensors(tensors, record, initial)
    else:
        record = run.record(entry["round"])
        stored = read_parts(run, entry["round"])
        source = find_source(run, entry["round"], stored["initial"], trust_code=trust_code)
        checks = check_tensors(tensors, record, source)
        facts = facts_of(run, record, trust_code=trust_code)
        checks += check_run(tensors, stored=stored, entry=entry, record=record, facts=facts)
        if "links" not in record:
            older = "none, made by an older version"
            checks.append(TicketCheck("round.json: digests of files", older, older, passed=True))
    return checks


def compare(ticket: Ticket, counts: CorrectCounts) -> list[TicketCheck]:
    """Compare counts with the run's accuracies: equal on the run's device, near elsewhere."""
    entry = ticket.entry
    row: Mapping[str, Any] = entry["row"]
    exact = counts.device == entry["device"] and not entry["reordered"]
    checks = []
    for column, (weights, _) in MEASURED.items():
        examples, correct = counts.examples[column], counts.correct[column]
        expected = round(row[column] * examples)
        near = abs(correct / examples - row[column]) <= TOLERANCE
        about = "" if exact else " to 0.5 points"
        checks.append(
            TicketCheck(
                what=f"{column}: correct with {weights} weights",
                expected=f"{expected} of {examples}{about}",
                got=str(correct),
                passed=correct == expected if exact else near,
            )
        )
    return checks


def count_in_fresh_process(
    path: Path, device: str, data: str | None, trust_code: bool
) -> CorrectCounts:
    """Run `count_correct` in a new process."""
    fresh = multiprocessing.get_context("spawn")
    try:
        with safe_path(), ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
            return pool.submit(count_correct, path, device, data, trust_code).result()
    except BrokenProcessPool as error:
        raise WorkerDied(
            "the process that measured was killed; was there enough memory?"
        ) from error


def count_correct(path: Path, device: str, data: str | None, trust_code: bool) -> CorrectCounts:
    """Count correct answers from a ticket's folder alone: its network, weights and data."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for deterministic GPUs
    ticket = open_ticket(path, trust_code=trust_code)
    torch.set_num_threads(ticket.entry["threads"])
    torch.use_deterministic_algorithms(ticket.entry["deterministic"] is True)
    accelerator = choose_device(device, ticket.entry["device"])
    with ticket.making():
        return _count(ticket, accelerator, ticket.splits(data))


def _count(ticket: Ticket, accelerator: str, splits: Splits) -> CorrectCounts:
    here = torch.device("cuda" if accelerator == "gpu" else "cpu")
    inputs = {name: getattr(splits, name).to(here, ticket.dtype) for name in ("val", "test")}
    base = ticket.base()
    if base is not None:
        inputs = {name: features_of(base.to(here), split) for name, split in inputs.items()}
    loss = build_loss(ticket.model, splits.num_classes, device=here, dtype=ticket.dtype)
    networks = {
        name: set_memory_format(ticket.trained(name).to(here), accelerator)
        for name in ("es", "final")
    }
    correct, examples = {}, {}
    for column, (weights, split) in MEASURED.items():
        examples[column] = len(inputs[split])
        accuracy = evaluate(networks[weights], inputs[split], loss).accuracy
        correct[column] = round(accuracy * examples[column])
    return CorrectCounts(machine(accelerator)["device"], correct, examples)


def choose_device(asked: str, device: str) -> str:
    """Return "cpu" or "gpu"; `asked` may also be "auto", `device` is the run's."""
    there = torch.cuda.is_available()
    if asked == "gpu" and not there:
        raise ConfigError("--device gpu: no GPU is visible here; accepted: cpu, auto")
    if asked == "auto":
        return "gpu" if there and device.startswith("gpu") else "cpu"
    return asked


def features_of(base: nn.Module, images: Split) -> Split:
    """Return a split whose inputs are a frozen base's features of the images."""
    features = compute_features(base, images, StopRequest())
    return Split(features.to(images.targets.device), images.targets)
