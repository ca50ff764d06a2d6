"""`lottery-ticket`: which round, and what is written; `load_ticket`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lottery as package
from lottery.data import Split
from lottery.measure.evaluate import Evaluation, evaluate
from lottery.models import LeNet300100
from lottery.record import opened_run
from lottery.record.files import read_json
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.ticket import verify
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.tickets import (
    IN_FRESH_PROCESS,
    PARTS,
    TicketCommand,
    assert_passed,
    assert_refused,
)
from tests.helpers.toy_images import toy_images

# What it does


def test_the_winning_round_is_taken_out_and_verified_in_a_fresh_process(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "measure_in_fresh_process", IN_FRESH_PROCESS)
    monkeypatch.setattr(LeNet300100, "forward", None)  # in this process nothing could be counted
    done = ticket(run)
    assert_passed(done)
    winner = package.load_run(run).results.iloc[1:].sort_values(["val", "remaining"])["round"]
    assert f"round {winner.iloc[-1]}, the winning round" in done.out
    files = {path.name for path in (run / "ticket").iterdir()}
    assert files == {"ticket.json", *(f"{name}.safetensors" for name in PARTS)}


def test_run_json_is_read_once_by_a_command(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def count(folder: RunDir) -> Any:
        read.append(folder.path)
        return read_run_json(folder)

    monkeypatch.setattr(opened_run, "read_run_json", count)
    for _ in range(2):  # it takes the ticket out, and then it finds it
        read.clear()
        assert_passed(ticket(run))
        assert read == [run]


def test_the_files_are_those_of_the_round(ticket: TicketCommand, run: Path) -> None:
    before = snapshot(run / "rounds")
    assert_passed(ticket(run, "--round", 2))
    taken, rounds = run / "ticket", RunDir(run)
    for name, source in (
        ("es", rounds.round(2).es),
        ("final", rounds.round(2).final),
        ("start", rounds.round(2).start),
        ("masks", rounds.round(2).masks),
        ("initial", rounds.round(0).start),
    ):
        assert (taken / f"{name}.safetensors").read_bytes() == source.read_bytes()
    assert snapshot(run / "rounds") == before
    entry, row = read_json(taken / "ticket.json"), package.load_run(run).results.iloc[2]
    assert entry["model"]["_target_"] == "lottery.models.LeNet300100"
    assert (entry["input_shape"], entry["num_classes"]) == ([1, 8, 8], 10)
    assert (entry["round"], entry["remaining"]) == (2, row["remaining"])
    assert entry["row"]["test"] == row["test"]
    assert entry["run"]["seed"] == 0


def test_a_ticket_that_is_there_is_verified_and_not_rewritten(
    ticket: TicketCommand, run: Path, folder: Path
) -> None:
    first = ticket(run, "--round", 1)
    before = snapshot(run)
    again = ticket(run, "--round", 1)
    assert snapshot(run) == before
    assert again.out.splitlines()[1:] == first.out.splitlines()[1:]
    assert_refused(ticket(run, "--round", 2), "of round 1, not 2", "rename or remove it")
    assert snapshot(run) == before
    shutil.copytree(run / "ticket", folder / "mine")
    alone = ticket("mine")  # without its run
    assert_passed(alone)
    assert "bits" not in alone.out
    assert_refused(ticket("mine", "--round", 1), "mine: a ticket")


@pytest.mark.parametrize("weights", ["es", "final", "start", "initial"])
def test_load_ticket_gives_the_rounds_network(
    ticket: TicketCommand, run: Path, weights: str
) -> None:
    ticket(run, "--round", 2)
    inputs = torch.rand(5, 1, 8, 8)
    loaded = package.load_ticket(run, weights=weights)
    assert not loaded.training
    other = package.load_run(run).model(*(0, "start") if weights == "initial" else (2, weights))
    assert torch.equal(loaded(inputs), other(inputs))
    assert torch.equal(package.load_ticket(run / "ticket", weights)(inputs), other(inputs))


def test_load_ticket_says_what_is_wrong(ticket: TicketCommand, run: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no ticket in it; `lottery-ticket .*run`"):
        package.load_ticket(run)
    ticket(run)
    with pytest.raises(ValueError, match=r"weights='best': one of es, final, start, initial"):
        package.load_ticket(run, weights="best")


@pytest.mark.parametrize(
    "overrides",
    [
        ("reinit.to=5",),
        ("reinit=random",),
        ("reinit=none",),
        ("scope=global", "criterion=random", "trainer.precision=64-true"),
        ("trainer.precision=bf16-true", "reinit=lr_rewind", "reinit.steps=6"),
        ("trainer.precision=bf16-mixed",),
        (*toy_images(size=16), "model=conv_2", "model.loss=multi_margin_loss"),
        (*toy_images(size=16), "model=resnet_20", "optimizer=sgd", "optimizer.lr=0.01"),
        (*toy_images(classes=2), "model=lenet_5", "model.loss=binary_cross_entropy"),
    ],
    ids=lambda overrides: "-".join(word for word in overrides if "oy" not in word),
)
def test_every_kind_of_run_has_a_ticket_that_passes(
    lottery: Lottery, ticket: TicketCommand, overrides: tuple[str, ...]
) -> None:
    run = lottery(*TINY, "iterations=6", "evaluation.every=3", "logger=none", *overrides).run
    done = ticket(run, "--trust-code")
    assert_passed(done)
    sources = {
        "reinit.to=5": "step 5 x",
        "reinit=none": "round 0's end x",
        "reinit=lr_rewind": "round 0's end x",
        "reinit=random": "",
    }
    (reinit,) = [word for word in overrides if word.startswith("reinit")][:1] or ("reinit=rewind",)
    assert sources.get(reinit, "initial x") in done.out
    assert ("values unlike" in done.out) == (reinit != "reinit=random")


def test_the_proof_has_convolutions_in_memory_as_the_run_had_them(
    lottery: Lottery, ticket: TicketCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the last bits of its logits would be others."""
    seen = []

    def measured(network: nn.Module, split: Split, **options: Any) -> Evaluation:
        seen.append(network.get_parameter("conv2.weight"))
        return evaluate(network, split, **options)

    monkeypatch.setattr(verify, "evaluate", measured)
    conv = (*toy_images(size=16), "model=conv_2")
    run = lottery(*TINY, "iterations=6", "evaluation.every=3", "logger=none", *conv).run
    assert_passed(ticket(run, "--trust-code"))
    assert seen
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in seen)


@pytest.mark.usefixtures("thin_vgg")
def test_a_ticket_over_a_frozen_base_takes_images(
    lottery: Lottery, ticket: TicketCommand, folder: Path
) -> None:
    head = (*toy_images(), "model=vgg_16_head", "model.fc2=16", "model.weights=random")
    run = lottery(*TINY, "iterations=6", "evaluation.every=3", "logger=none", *head).run
    shutil.rmtree("outputs/.features")
    assert_passed(ticket(run, "--trust-code"))
    network = package.load_ticket(run, trust_code=True)
    assert [name for name, _ in network.named_children()] == ["base", "head"]
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        features = network.get_submodule("base")(images)
        expected = package.load_run(run).model(1)(features)
        assert torch.equal(network(images), expected)


@pytest.mark.parametrize("form", ["prune", "csr"])
def test_an_export_lies_beside_the_ticket_and_changes_nothing_else(
    ticket: TicketCommand, run: Path, form: str
) -> None:
    ticket(run)
    before = snapshot(run / "ticket")
    done = ticket(run, "--export", form, "--weights", "start")
    assert done.code == 0, done.err
    path = run / "ticket" / "exports" / f"start_{form}.safetensors"
    assert done.out.splitlines()[-2:] == ["PASS", str(path)]
    assert {
        name: time for name, time in snapshot(run / "ticket").items() if name in before
    } == before
    assert_passed(ticket(run))


# Which round


def _set_rows(run: Path, vals: list[float]) -> None:
    """Write other validation accuracies into the records."""
    from lottery.record.records import read_record, write_record

    for number, val in enumerate(vals):
        record = read_record(RunDir(run).round(number))
        record["row"]["val"] = val
        write_record(RunDir(run), record, record["links"]["files"])


@pytest.mark.parametrize(
    ("vals", "arguments", "chosen"),
    [
        ([0.9, 0.8, 0.7], (), "round 1, the winning round"),
        ([0.9, 0.8, 0.8], (), "round 2, the winning round"),
        ([0.9, 0.95, 0.8], ("--within", 0.5), "round 1, the sparsest within 0.5 points"),
        ([0.9, 0.95, 0.895], ("--within", 0.5), "round 2, the sparsest within 0.5 points"),
        ([0.9, 0.95, 0.8], ("--round", 2), "round 2, as asked"),
    ],
)
def test_the_round_is_chosen_by_validation(
    ticket: TicketCommand,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    vals: list[float],
    arguments: tuple[object, ...],
    chosen: str,
) -> None:
    _set_rows(run, vals)
    monkeypatch.setattr(verify, "verify", lambda *_: [])
    monkeypatch.setattr("lottery.ticket.checks.format_checks", lambda checks: "PASS")
    assert chosen in ticket(run, *arguments).out


def test_rounds_that_cannot_be_taken(ticket: TicketCommand, run: Path, folder: Path) -> None:
    before = snapshot(run)
    assert_refused(ticket(run, "--round", 3), "--round 3", "pruned rounds: 1, 2")
    assert_refused(ticket(run, "--round", 0), "--round 0", "pruned rounds: 1, 2")
    assert_refused(ticket("nowhere"), "nowhere: not the folder of a run")
    _set_rows(run, [0.9, 0.5, 0.5])
    assert_refused(ticket(run, "--within", 1), "--within 1", "no pruned round that good")
    entry = read_json(run / "run.json")
    (run / "run.json").write_text(json.dumps({**entry, "status": "interrupted"}))
    assert_refused(ticket(run), "interrupted, not finished", "--round", "rounds: 1, 2")
    assert snapshot(run).keys() == before.keys()


def test_a_dense_run_has_no_ticket(lottery: Lottery, ticket: TicketCommand) -> None:
    run = lottery(*TINY, "rounds=0", "logger=none").run
    assert_refused(ticket(run), "has no pruned round", "rounds=1 or more")


def test_dropped_weights_make_no_ticket(lottery: Lottery, ticket: TicketCommand) -> None:
    run = lottery(*TINY, "rounds=3", "keep=winner", "logger=none").run
    dropped = [n for n in (1, 2, 3) if not RunDir(run).round(n).es.exists()]
    assert_refused(ticket(run, "--round", dropped[0]), "the start weights are gone", "keep=winner")
    assert_passed(ticket(run))


def test_a_run_of_an_older_version_is_told_what_to_do(ticket: TicketCommand, run: Path) -> None:
    entry = read_json(run / "run.json")
    del entry["settings"]
    (run / "run.json").write_text(json.dumps(entry))
    assert_refused(ticket(run), "run.json", "remove it")
    assert not (run / "ticket").exists()
