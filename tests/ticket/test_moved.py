"""Runs and tickets that have moved, lack their trunk, or have files exchanged."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lottery.cli import stability as stability_command
from lottery.record.run_dir import RunDir
from tests.conftest import TINY, Done, Lottery
from tests.helpers.tickets import TicketCommand, assert_passed, assert_refused
from tests.helpers.toy_image_folders import write_images

FEW = ("--pairs", 1, "--points", 3)


@pytest.fixture
def stability(with_own_log: Callable[..., Done]) -> Callable[..., Done]:
    return partial(with_own_log, stability_command.main, "lottery-stability")


@pytest.mark.parametrize("shuffle", ["none", "layerwise"])
@pytest.mark.parametrize("rounds", ["null", "[1]"])
def test_a_copying_run_needs_its_trunk_no_more(
    shuffle: str,
    rounds: str,
    folder: Path,
    lottery: Lottery,
    stability: Callable[..., Done],
    ticket: TicketCommand,
) -> None:
    trunk = lottery(*TINY, "logger=none").run
    copying = ("criterion=copy", f"criterion.run={trunk}", f"criterion.rounds={rounds}")
    run = lottery(*TINY, "logger=none", *copying, f"criterion.shuffle={shuffle}").run
    shutil.rmtree(trunk)
    run = run.rename(folder / "moved")
    assert_passed(ticket(run))
    done = stability(run, *FEW)
    assert done.code == 0, done.err
    assert (run / "stability/summary.csv").exists()


def test_a_moved_run_is_told_where_its_data_are(
    folder: Path, lottery: Lottery, stability: Callable[..., Done], ticket: TicketCommand
) -> None:
    write_images(folder / "pets")
    images = ("dataset=image_folder", "dataset.folder=pets", "dataset.image_size=[28,28]")
    run = lottery(*TINY, *images, "iterations=4", "dataset.batch_size=4", "logger=none").run
    (folder / "elsewhere").mkdir()
    run = run.rename(folder / "elsewhere/run")
    (folder / "pets").rename(folder / "elsewhere/pets")
    for command in (partial(ticket, run), partial(stability, run, *FEW)):
        assert_refused(command(), "pets")
        done = command("--data", "elsewhere/pets")
        assert done.code == 0, done.err


def test_links_lead_no_file_out_of_the_run(
    folder: Path, run: Path, stability: Callable[..., Done], ticket: TicketCommand
) -> None:
    victim = folder / "victim"
    victim.mkdir()
    for name in ("stability", "stability/step_0", "figures"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).symlink_to(victim)
        assert_refused(stability(run, *FEW), name, "link")
        (run / name).unlink()
    assert_passed(ticket(run))
    (run / "ticket/exports").symlink_to(victim)
    for options in (("--export", "csr"), ("--features", "fc1")):
        done = ticket(run, *options)
        assert done.code == 2, done.out + done.err
        assert "exports: a link" in done.err
    assert not list(victim.iterdir())


def test_copies_that_were_exchanged_are_made_again(
    run: Path, stability: Callable[..., Done]
) -> None:
    assert stability(run, *FEW, "--rounds", "0").code == 0
    tables = {path.name: path.read_bytes() for path in (run / "stability").glob("*.csv")}
    copies = [RunDir(run).stability.training(0, f"copy_{n}").round(0).final for n in (0, 1)]
    before = copies[1].read_bytes()
    shutil.copyfile(copies[0], copies[1])
    done = stability(run, *FEW, "--rounds", "0")
    assert "has another end; made again" in done.err
    assert copies[1].read_bytes() == before
    assert {path.name: path.read_bytes() for path in (run / "stability").glob("*.csv")} == tables
