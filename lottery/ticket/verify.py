"""The proof of a ticket: its tensors, its run's files, and its scores in a fresh process."""

import math
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.frozen_features import compute_features
from lottery.config.gpus import count_gpus
from lottery.config.network import set_memory_format
from lottery.config.provenance import device_name
from lottery.config.task import build_loss
from lottery.data import Split, Splits
from lottery.errors import ConfigError
from lottery.measure.evaluate import evaluate
from lottery.record.score import ACCURACY, score_of
from lottery.runs.process_group import WorkerDied
from lottery.runs.workers import safe_path
from lottery.signals import StopRequest
from lottery.ticket.checks import TicketCheck, check_run, check_tensors
from lottery.ticket.extract import facts_of, find_source, read_parts
from lottery.ticket.files import PARTS
from lottery.ticket.module_scores import measure_module
from lottery.ticket.ticket import Ticket, open_ticket
from lottery.training.device import set_kernels

# column of results.csv: the weights and the split that it is measured with
MEASURED = {
    "val": ("es", "val"),
    "test": ("es", "test"),
    "val_last": ("final", "val"),
    "test_last": ("final", "test"),
}
# Of scores on another device than the run's: of shares, and relative to other numbers.
TOLERANCE = 0.005
EQUAL = 1e-9  # relative, of numbers that are no counts


@dataclass(frozen=True)
class Scores:
    """What the scores of a ticket's networks are, measured in a fresh process."""

    device: str  # as run.json names it
    values: Mapping[str, float]  # by column of results.csv
    examples: Mapping[str, int]  # of the column's split; unknown of a module


def verify(ticket: Ticket, device: str, data: str | None) -> list[TicketCheck]:
    """Check everything of a ticket; the scores only if its tensors are in order.

    `device` is "auto" (the run's kind of device, if there is one here), "cpu" or "gpu"; `data`
    says where the data are now, None: where they were.
    """
    if ticket.module is not None and data is not None:
        raise ConfigError(f"--data {data}: the data of a module are where its arguments say")
    ticket.settings(data)  # checked before any work
    with ticket.making():
        checks = _check_files(ticket)
    if ticket.module is not None and ticket.loops is None:
        why = "made by an older version" if ticket.has_users_module else "it streams its data"
        again = f"not measured again: {why}"
        return [*checks, TicketCheck("test", "the run's", again, passed=True)]
    if all(check.passed for check in checks):
        scores = measure_in_fresh_process(ticket.folder.path, device, data, ticket.trust_code)
        with ticket.making():
            checks += compare(ticket, scores)
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


def compare(ticket: Ticket, scores: Scores) -> list[TicketCheck]:
    """Compare scores with the run's: equal on the run's device, near elsewhere.

    Accuracies are compared as numbers of correct answers.
    """
    entry, score = ticket.entry, score_of(ticket.entry)
    row: Mapping[str, Any] = entry["row"]
    exact = scores.device == entry["device"] and not entry["reordered"]
    about = "" if exact else " to 0.5 points" if score.is_share else " to 0.5 %"
    checks = []
    for column, got in scores.values.items():
        weights, _ = MEASURED[column]
        expected, examples = row[column], scores.examples.get(column)
        scale = 1 if score.is_share else abs(expected)
        near = abs(got - expected) <= TOLERANCE * scale
        if score == ACCURACY and examples is not None:
            correct = round(expected * examples), round(got * examples)
            what, shown = "correct", (f"{correct[0]} of {examples}", str(correct[1]))
            equal = correct[0] == correct[1]
        else:
            what, shown = score.metric, (f"{expected:.9g}", f"{got:.9g}")
            equal = math.isclose(got, expected, rel_tol=EQUAL)
        checks.append(
            TicketCheck(
                what=f"{column}: {what} with {weights} weights",
                expected=f"{shown[0]}{about}",
                got=shown[1],
                passed=equal if exact else near,
            )
        )
    return checks


def measure_in_fresh_process(
    path: Path, device: str, data: str | None, trust_code: bool
) -> Scores:
    """Run `measure_scores` in a new process."""
    fresh = multiprocessing.get_context("spawn")
    try:
        with safe_path(), ProcessPoolExecutor(max_workers=1, mp_context=fresh) as pool:
            return pool.submit(measure_scores, path, device, data, trust_code).result()
    except BrokenProcessPool as error:
        raise WorkerDied(
            "the process that measured was killed; was there enough memory?"
        ) from error


def measure_scores(path: Path, device: str, data: str | None, trust_code: bool) -> Scores:
    """Measure scores from a ticket's folder alone: its network, weights and data."""
    ticket = open_ticket(path, trust_code=trust_code)
    entry = ticket.entry
    torch.set_num_threads(entry["threads"])
    set_kernels(
        deterministic=entry["deterministic"] is True,
        tf32=entry["run"]["config"].get("trainer.tf32") is True,
    )
    accelerator = choose_device(device, entry["device"])
    with ticket.making():
        if ticket.module is not None:
            return Scores(device_name(accelerator), measure_module(ticket, accelerator), {})
        return _measure(ticket, accelerator, ticket.splits(data))


def _measure(ticket: Ticket, accelerator: str, splits: Splits) -> Scores:
    here = torch.device("cuda" if accelerator == "gpu" else "cpu")
    inputs = {name: getattr(splits, name).to(here, ticket.dtype) for name in ("val", "test")}
    base = ticket.base()
    if base is not None:
        inputs = {name: features_of(base.to(here), split) for name, split in inputs.items()}
    task = ticket.task
    loss = build_loss(ticket.model, task, splits, device=here, dtype=ticket.dtype)
    networks = {
        name: set_memory_format(ticket.trained(name).to(here), accelerator)
        for name in ("es", "final")
    }
    values, examples = {}, {}
    for column, (weights, name) in MEASURED.items():
        split = inputs[name]
        if len(split) == 0:  # no validation data
            continue
        examples[column] = len(split)
        values[column] = evaluate(networks[weights], split, loss=loss, task=task).score
    return Scores(device_name(accelerator), values, examples)


def choose_device(asked: str, device: str) -> str:
    """Return "cpu" or "gpu"; `asked` may also be "auto", `device` is the run's."""
    there = count_gpus() > 0
    if asked == "gpu" and not there:
        raise ConfigError("--device gpu: no GPU is visible here; accepted: cpu, auto")
    if asked == "auto":
        return "gpu" if there and device.startswith("gpu") else "cpu"
    return asked


def features_of(base: nn.Module, images: Split) -> Split:
    """Return a split whose inputs are a frozen base's features of the images."""
    features = compute_features(base, images, StopRequest())
    return Split(features.to(images.targets.device), images.targets)
