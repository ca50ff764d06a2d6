"""`lottery-ticket` verifies what it takes out: each error in a ticket is found."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import lottery as package
from lottery.record.files import DamagedFile, read_json
from lottery.record.run_dir import RunDir, TicketDir
from lottery.tensors import load_tensors, save_tensors
from lottery.ticket import verify
from tests.conftest import TINY, Lottery
from tests.helpers.foreign import link_again
from tests.helpers.tickets import (
    IN_FRESH_PROCESS,
    PARTS,
    TicketCommand,
    assert_passed,
    assert_refused,
    failed_lines,
    sign_again,
)
from tests.helpers.toy_image_folders import RUN as IMAGES
from tests.helpers.toy_image_folders import write_image, write_images


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
    link_again(RunDir(run))
    for arguments in ((), ("--round", 1), ("--export", "csr")):
        done = ticket(run, *arguments)
        assert_refused(
            done, f"{run / 'ticket'}: taken out of another run, {entry['name']} with seed 0"
        )
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
    missing = f"{run}/{file}.safetensors: missing; remove "
    assert_refused(ticket(run, "--round", 2), missing, code=1)


def test_masks_of_two_rounds_swapped_make_no_ticket(ticket: TicketCommand, run: Path) -> None:
    one, two = (RunDir(run).round(number).masks for number in (1, 2))
    one.rename("aside")
    two.rename(one)
    Path("aside").rename(two)
    for number in (1, 2):
        masks = RunDir(run).round(number).masks
        line = f"{masks}: damaged: it is not the file that the round's record names; remove "
        assert_refused(ticket(run, "--round", number), line, code=1)
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
        "masks: weights kept",
        "final: zero where kept",
        "start: values unlike initial x mask",
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
        "start: not zero where pruned",
        "start: values unlike initial x mask",
    }


def test_elsewhere_half_a_point_is_allowed(ticket: TicketCommand, run: Path) -> None:
    """One of 300 images is 0.33 points, two are 0.67."""
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
    monkeypatch.setattr(verify, "measure_in_fresh_process", IN_FRESH_PROCESS)
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
