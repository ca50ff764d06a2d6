"""Runs that version 0.1 made are found, shown, extended, reported, verified and read."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.api import load_run, load_runs, load_ticket
from lottery.cli import report as report_command
from lottery.record import tables
from lottery.record.files import read_json, write_json
from lottery.record.schema import COLUMNS
from lottery.report import write
from lottery.runs.sweep import Sweep
from tests.conftest import Done, Lottery, result_tables, snapshot
from tests.helpers.damages import assert_one_line

FILES = Path(__file__).parent / "v0_1"
TRUNK = "outputs/digits-Tiny-magnitude-0.2-layerwise-rewind-52d03530/seed_0"
COPY = "outputs/digits-Tiny-copy-none-none-rewind-5cc0e79d/seed_0"
SWEEP = "outputs/sweeps/2026-11-30_03-42-07-dc70"
COMMAND = (
    "model._target_=tiny.Tiny",
    "model.rates=[]",
    "iterations=60",
    "evaluation.every=20",
    "trainer.threads=1",
    "reinit.to=5",
    "reinit.optimizer_state=restored",
    "logger=none",
)
COPYING = ("criterion=copy", f"criterion.run={TRUNK}", "criterion.shuffle=layerwise")


@pytest.fixture(autouse=True)
def old(folder: Path, write_module: Callable[[str, str], Path]) -> Path:
    """The folder in which version 0.1 has worked, now elsewhere: the current one."""
    with tarfile.open(FILES / "outputs.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    write_module("tiny", (FILES / "tiny.py").read_text())
    return folder


@pytest.mark.parametrize(("more", "run"), [((), TRUNK), (COPYING, COPY)], ids=["trunk", "copy"])
def test_a_finished_run_is_found_and_not_a_byte_is_written(
    lottery: Lottery, old: Path, more: tuple[str, ...], run: str
) -> None:
    before = snapshot(old)
    done = lottery(*COMMAND, *more, "rounds=2")
    assert (done.code, done.run) == (0, old / run), done.err
    assert "63.96" in done.out
    assert snapshot(old) == before


def test_a_run_without_a_column_that_was_added_since_is_complete(
    lottery: Lottery, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "COLUMNS", (*COLUMNS, "new"))
    before = snapshot(old)
    done = lottery(*COMMAND, "rounds=2")
    assert (done.code, "damaged" in done.err) == (0, False), done.err
    assert snapshot(old) == before


def test_runs_are_extended_and_earlier_rows_stay_as_they_are(lottery: Lottery, old: Path) -> None:
    for more, run in (((), TRUNK), (COPYING, COPY)):
        before = result_tables(old / run)
        rounds = {file: file.read_bytes() for file in (old / run).glob("rounds/*/*")}
        done = lottery(*COMMAND, *more, "rounds=3")
        assert (done.code, done.run) == (0, old / run), done.err
        assert "damaged" not in done.err
        after = result_tables(old / run)
        for name in ("results.csv", "history.csv"):
            assert after[name].startswith(before[name])
            assert len(after[name]) > len(before[name])
        assert {file: file.read_bytes() for file in rounds} == rounds
        entry = read_json(old / run / "run.json")
        assert (entry["format"], entry["status"], entry["rounds"]) == (3, "finished", [0, 1, 2, 3])
        assert load_run(old / run).results["params_remaining"].tolist()[:3] == [910, 732, 590]
        assert done.err.count("made round 0, 1, 2: its files are taken as they are") == 1
        assert len(list((old / run).glob("rounds/*/links.json"))) == 3
        assert "taken as they are" not in lottery(*COMMAND, *more, "rounds=4").err


def test_rounds_that_were_linked_when_the_run_was_extended_are_bound_to_it(
    lottery: Lottery, old: Path
) -> None:
    lottery(*COMMAND, "rounds=3")
    for number in (1, 2):  # whatever version 0.1 wrote
        record = old / TRUNK / f"rounds/0{number}/round.json"
        whole = record.read_text()
        record.write_text(whole.replace('"val": 0.', '"val": 0.9'))
        entry = read_json(record)
        del entry["digest"]
        write_json(record, entry)
        done = lottery(*COMMAND, "rounds=3")
        assert_one_line(done, 1, f"{record}: not the record that ", "remove both")
        record.write_text(whole)
    masks = old / TRUNK / "rounds/02/masks.safetensors"
    masks.write_bytes((masks.parents[1] / "01" / masks.name).read_bytes())
    done = lottery(*COMMAND, *COPYING, "criterion.rounds=[2]")
    assert_one_line(done, 1, f"{masks}: damaged: it is not the file that the round's record names")


def test_a_sweep_finds_its_jobs_runs(lottery: Lottery, old: Path) -> None:
    jobs = Sweep(old / SWEEP).jobs()
    assert [(job["job"], job["status"]) for job in jobs] == [(0, "finished"), (1, "finished")]
    runs = [Path(TRUNK).with_name(f"seed_{seed}") for seed in (0, 1)]
    before = {run: result_tables(old / run) for run in runs}
    done = lottery("-m", *COMMAND, "rounds=1", "seed=0,1")
    assert done.code == 0, done.err
    assert {run: result_tables(old / run) for run in runs} == before
    assert [job["run"] for job in Sweep(done.run).jobs()] == [str(old / run) for run in runs]


def test_runs_are_reported(
    in_process: Callable[..., Done], old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "save_figure", lambda figure, folder: None)  # pictures
    done = in_process(report_command.main, "lottery-report", "outputs")
    assert (done.code, done.err) == (0, ""), done.err
    text = Path(done.out.strip()).with_suffix(".md").read_text()
    assert "2 settings, 3 runs" in text
    assert "damaged" not in text


def test_tickets_are_verified(ticket: Callable[..., Done], old: Path) -> None:
    before = snapshot(old / TRUNK / "ticket")
    done = ticket(TRUNK, "--trust-code")
    assert done.code == 0, done.out + done.err
    assert "PASS" in done.out
    assert snapshot(old / TRUNK / "ticket") == before
    new = ticket(COPY, "--round", 1, "--trust-code")  # taken out now
    assert (new.code, "PASS" in new.out) == (0, True), new.out + new.err


def test_a_stability_analysis_is_found(stability: Callable[..., Done], old: Path) -> None:
    tables = {file: file.read_bytes() for file in (old / TRUNK / "stability").glob("*.csv")}
    few = ("--rounds", "0,2", "--steps", "5", "--pairs", "1", "--points", "5")
    done = stability(TRUNK, *few, "--trust-code")
    assert done.code == 0, done.err
    assert "1.68 (1.68 to 1.68)" in done.out
    assert {file: file.read_bytes() for file in tables} == tables


def test_runs_and_tickets_are_read_from_python(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(old)  # as for a script that lies there
    assert [run.path.name for run in load_runs("outputs")] == ["seed_0", "seed_0", "seed_1"]
    run = load_run(TRUNK)
    assert (run.status, run.config["reinit.to"]) == ("finished", 5)
    assert run.results["remaining"].round(4).tolist() == [1.0, 0.7995, 0.6396]
    assert len(run.history) == 27
    assert sum(int(mask.sum()) for mask in run.masks(2).values()) == 568
    for network in (run.model(2, trust_code=True), load_ticket(TRUNK, trust_code=True)):
        weights = [w for name, w in network.named_parameters() if name.endswith("weight")]
        assert sum(int((weight != 0).sum()) for weight in weights) == 568
