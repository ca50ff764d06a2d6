"""`lottery-ticket`: which round, what is written, what is proved, and every way to be wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lottery as package
from lottery import ticket_command
from lottery.api import ticket_check
from lottery.measure import Evaluation, evaluate
from lottery.models import LeNet300100
from lottery.results import json_digest
from lottery.run_dir import DamagedFile, RunDir, TicketDir, creating_folder, read_json
from lottery.tensors import load_tensors, save_tensors
from lottery.ticket.files import _sha256, write_ticket
from tests.conftest import TINY, Done, Lottery, snapshot
from tests.made_up_images import RUN as IMAGES
from tests.made_up_images import write_image, write_images
from tests.toy_images import toy_images

TicketCommand = Callable[..., Done]
IN_FRESH_PROCESS = ticket_check.count_in_fresh_process
PARTS = ("es", "final", "start", "initial", "masks")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three rounds on digits, with no ticket yet."""
    path = tmp_path_factory.mktemp("made")
    quick = ("rounds=2", "iterations=60", "evaluation.every=20", "trainer.threads=1")
    patch = pytest.MonkeyPatch()
    patch.setattr("lottery.api.session.report_at_end", lambda folder: None)
    run = package.run(*quick, "logger=none", f"output_dir={path}").path
    patch.undo()
    return run


@pytest.fixture
def run(made: Path, folder: Path) -> Path:
    """A copy of it, for one test."""
    copied = folder / "run"
    shutil.copytree(made, copied)
    return copied


@pytest.fixture
def ticket(in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> TicketCommand:
    """`ticket(run, "--round", 1)` runs the command, measuring included, in this process."""
    threads = torch.get_num_threads()

    def count_here(*arguments: Any) -> ticket_check.Counted:
        try:
            return ticket_check.count_correct(*arguments)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)

    monkeypatch.setattr(ticket_check, "count_in_fresh_process", count_here)
    return partial(in_process, ticket_command.main, "lottery-ticket")


def assert_passed(done: Done) -> None:
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert done.out.splitlines()[-1] == "PASS"


def assert_refused(done: Done, *words: str, code: int = 2) -> None:
    """The error is one line on stderr, with these words."""
    assert done.code == code, done.out + done.err
    assert "Traceback" not in done.err
    line = done.err.splitlines()[-1]
    assert line.startswith("error: ")
    for word in words:
        assert word in line


def failed_lines(done: Done) -> list[str]:
    """What did not hold, of a table that ends with FAIL."""
    assert done.code == 1, done.out + done.err
    assert done.out.splitlines()[-1] == "FAIL"
    return [line for line in done.out.splitlines() if line.endswith("<-")]


def sign_again(ticket: TicketDir, **changes: Any) -> None:
    """What a forger does: other content of ticket.json, all digests made to fit."""
    entry = {**read_json(ticket.ticket_json), **changes}
    entry["files"] = {name: _sha256(ticket.path / name) for name in entry["files"]}
    del entry["digest"]
    ticket.ticket_json.write_text(json.dumps({**entry, "digest": json_digest(entry)}))


# What it does


def test_the_winning_round_is_taken_out_and_verified_in_a_fresh_process(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_check, "count_in_fresh_process", IN_FRESH_PROCESS)
    monkeypatch.setattr(LeNet300100, "forward", None)  # in this process nothing could be counted
    done = ticket(run)
    assert_passed(done)
    winner = package.load_run(run).results.iloc[1:].sort_values(["val", "remaining"])["round"]
    assert f"round {winner.iloc[-1]}, the winning round" in done.out
    files = {path.name for path in (run / "ticket").iterdir()}
    assert files == {"ticket.json", *(f"{name}.safetensors" for name in PARTS)}


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
    done = ticket(run)
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
    """Or else the last bits of its logits would be others."""
    seen = []

    def measured(network: nn.Module, *arguments: Any) -> Evaluation:
        seen.append(network.get_parameter("conv2.weight"))
        return evaluate(network, *arguments)

    monkeypatch.setattr(ticket_check, "evaluate", measured)
    conv = (*toy_images(size=16), "model=conv_2")
    run = lottery(*TINY, "iterations=6", "evaluation.every=3", "logger=none", *conv).run
    assert_passed(ticket(run))
    assert seen
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in seen)


def test_a_ticket_over_a_frozen_base_takes_images(
    lottery: Lottery, ticket: TicketCommand, folder: Path
) -> None:
    head = (*toy_images(), "model=vgg_16_head", "model.fc2=16", "model.weights=random")
    run = lottery(*TINY, "iterations=6", "evaluation.every=3", "logger=none", *head).run
    shutil.rmtree("outputs/.features")
    assert_passed(ticket(run))
    network = package.load_ticket(run)
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
    """Other validation accuracies; what else a record holds stays."""
    from lottery.results import read_record, write_record

    for number, val in enumerate(vals):
        record = read_record(RunDir(run).round(number))
        record["row"]["val"] = val
        write_record(RunDir(run), record)


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
    monkeypatch.setattr(ticket_check, "verify", lambda *_: [])
    monkeypatch.setattr("lottery.ticket.format_checks", lambda checks: "PASS")
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
    assert_refused(ticket(run, "--round", dropped[0]), "no start weights any more", "keep=winner")
    assert_passed(ticket(run))


def test_a_run_of_an_older_version_is_told_what_to_do(ticket: TicketCommand, run: Path) -> None:
    entry = read_json(run / "run.json")
    del entry["settings"]
    (run / "run.json").write_text(json.dumps(entry))
    assert_refused(ticket(run), "run.json", "remove it")
    assert not (run / "ticket").exists()


# What is wrong is found


@pytest.mark.parametrize("name", ["ticket.json", *(f"{part}.safetensors" for part in PARTS)])
def test_one_flipped_byte_is_found(ticket: TicketCommand, run: Path, name: str) -> None:
    ticket(run)
    path = run / "ticket" / name
    content = bytearray(path.read_bytes())
    for place in (len(content) // 2, len(content) - 3):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        done = ticket(run)
        assert done.out == "FAIL\n"
        assert_refused(done, str(path), "damaged", code=1)
        with pytest.raises(DamagedFile, match=name):
            package.load_ticket(run)
    path.unlink()
    done = ticket(run)
    assert_refused(done, str(path), "missing", code=1)


def test_another_runs_ticket_in_a_runs_folder_is_refused(ticket: TicketCommand, run: Path) -> None:
    assert_passed(ticket(run))
    entry = read_json(run / "run.json")
    (run / "run.json").write_text(json.dumps({**entry, "seed": 7}))
    for arguments in ((), ("--round", 1), ("--export", "csr")):
        done = ticket(run, *arguments)
        assert_refused(done, f"{run / 'ticket'}: of another run, {entry['name']} with seed 0")
    with pytest.raises(package.ConfigError, match="of another run"):
        package.load_ticket(run)
    assert_passed(ticket(run / "ticket"))  # as it is
    package.load_ticket(run / "ticket")


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("file", ["rounds/02/masks", "rounds/00/start"])
def test_a_file_that_every_run_keeps_is_missed(
    ticket: TicketCommand, run: Path, file: str, there: bool
) -> None:
    if there:
        assert_passed(ticket(run, "--round", 2))
    (run / f"{file}.safetensors").unlink()
    assert_refused(ticket(run, "--round", 2), "No such file", f"{run}/{file}.safetensors")


def test_masks_of_two_rounds_swapped_make_no_ticket(ticket: TicketCommand, run: Path) -> None:
    one, two = (RunDir(run).round(number).masks for number in (1, 2))
    one.rename("aside")
    two.rename(one)
    Path("aside").rename(two)
    for number in (1, 2):
        lines = failed_lines(ticket(run, "--round", number))
        assert any("masks: weights kept" in line for line in lines)
        assert not (run / "ticket").exists()


def test_masks_of_another_round_are_found_with_all_digests_made_to_fit(
    ticket: TicketCommand, run: Path, folder: Path
) -> None:
    assert_passed(ticket(run, "--round", 2))
    shutil.copyfile(RunDir(run).round(1).masks, run / "ticket" / "masks.safetensors")
    sign_again(RunDir(run).ticket)
    lines = failed_lines(ticket(run, "--round", 2))
    assert any("masks: bits" in line for line in lines)
    shutil.copytree(run / "ticket", folder / "alone")
    lines = failed_lines(ticket("alone"))
    assert {re.split(r" {2}| \d", line)[0] for line in lines} == {
        *("masks: weights kept", "final: zero where kept", "start: values unlike initial x mask")
    }


def test_masks_with_the_same_counts_are_found(ticket: TicketCommand, run: Path) -> None:
    assert_passed(ticket(run))
    path = run / "ticket" / "masks.safetensors"
    masks = load_tensors(path)
    save_tensors(path, {name: mask.flip(0) for name, mask in masks.items()})
    sign_again(RunDir(run).ticket)
    Path(run / "ticket").rename("alone")
    lines = failed_lines(ticket("alone"))
    assert any("es: not zero where pruned" in line for line in lines)
    save_tensors(Path("alone/masks.safetensors"), {n: m[:, :-1] for n, m in masks.items()})
    sign_again(TicketDir(Path("alone")))
    (line,) = failed_lines(ticket("alone"))
    assert "masks: shapes" in line


def test_metrics_that_were_not_measured_are_found(ticket: TicketCommand, run: Path) -> None:
    assert_passed(ticket(run))
    row = read_json(run / "ticket" / "ticket.json")["row"]
    for column, examples in (("val", 300), ("test", 297), ("val_last", 300), ("test_last", 297)):
        sign_again(RunDir(run).ticket, row=row | {column: row[column] + 1 / examples})
        assert any("other " + column in line for line in failed_lines(ticket(run)))
        shutil.copytree(run / "ticket", "alone")
        (line,) = failed_lines(ticket("alone"))
        assert line.startswith(f"{column}: correct")
        shutil.rmtree("alone")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("remaining", 0.5),
        ("ES", 1),
        ("input_shape", [64]),
        ("num_classes", 11),
        ("rewind_step", 5),
    ],
)
def test_facts_that_are_not_the_runs_are_found(
    ticket: TicketCommand, run: Path, name: str, wrong: Any
) -> None:
    assert_passed(ticket(run))
    sign_again(RunDir(run).ticket, **{name: wrong})
    (line,) = failed_lines(ticket(run))
    assert line.startswith("ticket.json: other facts")
    assert f"other {name}" in line


def test_a_ticket_json_of_another_form_is_damaged(ticket: TicketCommand, run: Path) -> None:
    assert_passed(ticket(run))
    sign_again(RunDir(run).ticket, run=None)
    assert_refused(ticket(run), "ticket.json: damaged", code=1)


def test_weights_of_another_moment_are_found(ticket: TicketCommand, run: Path) -> None:
    assert_passed(ticket(run, "--round", 1))
    shutil.copyfile(RunDir(run).round(0).start, run / "ticket" / "start.safetensors")
    sign_again(RunDir(run).ticket)
    Path(run / "ticket").rename("alone")
    lines = failed_lines(ticket("alone"))
    assert {re.split(r" {2}| \d", line)[0] for line in lines} == {
        *("start: not zero where pruned", "start: values unlike initial x mask")
    }


def test_elsewhere_half_a_point_is_allowed(ticket: TicketCommand, run: Path) -> None:
    """Of 300 images one is 0.33 points and two are 0.67."""
    assert_passed(ticket(run))
    Path(run / "ticket").rename("alone")
    row = read_json(Path("alone/ticket.json"))["row"]
    for wrong, code in ((1, 0), (2, 1)):
        changed = row | {"val": row["val"] - wrong / 300}
        sign_again(TicketDir(Path("alone")), row=changed, device="gpu (another)")
        done = ticket("alone")
        assert done.code == code
        assert "of 300 to 0.5 points" in done.out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_ticket_of_the_real_mnist(
    lottery: Lottery, ticket: TicketCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = os.environ.get("LOTTERY_TEST_DATA")
    if root is None:
        pytest.skip("needs LOTTERY_TEST_DATA, the folder above MNIST/raw")
    monkeypatch.setattr(ticket_check, "count_in_fresh_process", IN_FRESH_PROCESS)
    few = ("dataset=mnist", "rounds=2", "iterations=300", "trainer.threads=1", "logger=none")
    run = lottery(*few, f"dataset.root={root}").run
    done = ticket(run)
    assert_passed(done)
    assert " of 10000 " in done.out


def test_data_that_are_gone_or_others(lottery: Lottery, ticket: TicketCommand) -> None:
    pets = write_images(Path("pets"))
    run = lottery(*IMAGES, *TINY, "dataset.batch_size=4", "logger=none").run
    assert_passed(ticket(run))
    pets.rename("elsewhere")
    assert_refused(ticket(run), "pets")
    assert_passed(ticket(run, "--data", "elsewhere"))
    write_image(Path("elsewhere/cat.0.png"), 100)
    assert_refused(ticket(run, "--data", "elsewhere"), "other content than the run's")


def test_a_gpu_that_is_not_there(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert_refused(ticket(run, "--device", "gpu"), "--device gpu", "cpu, auto")


# Files


def test_a_write_that_fails_leaves_no_half_ticket(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, tensors: Any) -> None:
        if path.name == "final.safetensors":
            raise OSError(28, "No space left on device", str(path))
        save_tensors(path, tensors)

    monkeypatch.setattr("lottery.ticket.files.save_tensors", full)
    before = snapshot(run).keys()
    assert_refused(ticket(run), "No space left on device")
    assert snapshot(run).keys() == before


def test_a_killed_write_is_cleared_away_when_the_run_is_started_again(
    run: Path, ticket: TicketCommand
) -> None:
    left = run / ".ticket.1.part"
    left.mkdir()
    (left / "es.safetensors").write_bytes(b"half")
    assert_passed(ticket(run))
    RunDir(run).remove_leftovers()
    assert not left.exists()


def test_two_processes_may_take_out_the_same_ticket(
    run: Path, ticket: TicketCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_twice(*arguments: Any) -> None:
        write_ticket(*arguments)  # the other process
        write_ticket(*arguments)

    monkeypatch.setattr("lottery.api.ticket_source.write_ticket", write_twice)
    done = ticket(run)
    assert_passed(done)
    assert "there already" in done.out.splitlines()[0]


def test_ctrl_c_is_one_line(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ticket_check, "count_in_fresh_process", stop)
    assert_refused(ticket(run), "stopped", code=130)


def test_a_folder_with_something_in_it_is_never_overwritten(folder: Path) -> None:
    (folder / "there").mkdir()
    (folder / "there" / "file").write_text("mine")

    def create() -> None:
        with creating_folder(folder / "there") as aside:
            (aside / "file").write_text("other")

    with pytest.raises(OSError, match="not empty"):
        create()
    assert (folder / "there" / "file").read_text() == "mine"
    assert sorted(path.name for path in folder.iterdir()) == ["there"]


def test_help_needs_no_torch() -> None:
    program = (
        "import sys; sys.argv = ['lottery-ticket', '--help']\n"
        "from lottery.ticket_command import main\n"
        "try: main()\n"
        "except SystemExit: print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
