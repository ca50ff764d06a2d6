"""The files of a ticket: written whole or not at all, and never over something else."""

from pathlib import Path
from typing import Any

import pytest

from lottery.record.files import creating_folder
from lottery.record.run_dir import RunDir
from lottery.tensors import save_tensors
from lottery.ticket import verify
from lottery.ticket.files import write_ticket
from tests.conftest import snapshot
from tests.helpers.tickets import TicketCommand, assert_passed, assert_refused


def test_a_write_that_fails_leaves_no_half_ticket(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, tensors: Any) -> None:
        if path.name == "final.safetensors":
            raise OSError(28, "No space left on device", str(path))
        save_tensors(path, tensors)

    monkeypatch.setattr("lottery.ticket.files.save_tensors", full)
    before = snapshot(run).keys()
    assert_refused(ticket(run), "no space left on device", code=1)
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

    monkeypatch.setattr("lottery.ticket.extract.write_ticket", write_twice)
    done = ticket(run)
    assert_passed(done)
    assert "there already" in done.out.splitlines()[0]


def test_ctrl_c_is_one_line(
    ticket: TicketCommand, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "measure_in_fresh_process", stop)
    done = ticket(run)
    assert done.code == 130
    assert done.err.splitlines()[-1] == f"stopped; resume with: lottery-ticket {run}"


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
