"""`lottery-report` on runs that are not whole, and on what is no run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from tests.cli.test_report import drawn
from tests.conftest import Done, snapshot
from tests.helpers.toy_records import TRUNK, record, write_run

Report = Callable[..., Done]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        ("running", "", "still running, or killed; 3 of 9 rounds are finished"),
        ("failed", "Diverged: step 3", "failed; 3 of 9 rounds are finished: Diverged: step 3"),
        ("interrupted", "Stopped: SIGTERM", "interrupted; 3 of 9 rounds"),
    ],
)
def test_a_run_that_is_not_finished_is_reported_and_says_so(
    report: Report, folder: Path, status: str, message: str, said: str
) -> None:
    run = write_run(folder / TRUNK / "seed_0", status=status, message=message, asked=9)
    assert report(run).code == 0
    assert f"{TRUNK}, seed 0: {said}" in (run / "report.html").read_text()


def test_a_run_in_its_first_round_has_a_report_without_figures(
    report: Report, folder: Path
) -> None:
    run = write_run(folder / TRUNK / "seed_0", tests=[], status="running", asked=3)
    assert report(run).code == 0
    assert drawn(run) == set()
    assert "No round is finished" in (run / "report.html").read_text()


@pytest.mark.usefixtures("no_pictures")
def test_a_run_without_the_dense_round(report: Report, folder: Path) -> None:
    """Its record was lost."""
    run = write_run(folder / TRUNK / "seed_0")
    RunDir(run).round(0).record.unlink()
    assert report(run).code == 0
    assert "no dense network to compare it with" in (run / "report.md").read_text()


@pytest.mark.usefixtures("no_pictures")
def test_a_record_that_is_written_while_the_report_is_made(report: Report, folder: Path) -> None:
    """Records are whole or not there; the next report has the new round."""
    run = write_run(folder / TRUNK / "seed_0", tests=[0.95, 0.96], status="running", asked=3)
    report(run)
    write_record(RunDir(run), record(2, test=0.94, val=0.94, remaining=0.64))
    report(run)
    assert "3 of 3 rounds are finished" in (run / "report.md").read_text()


@pytest.mark.usefixtures("no_pictures")
def test_a_damaged_run_is_left_out_of_many_and_named(report: Report, folder: Path) -> None:
    good, bad = (write_run(folder / "o" / TRUNK / f"seed_{seed}") for seed in (0, 1))
    path = RunDir(bad).round(1).record
    path.write_text(path.read_text().replace("0.96", "0.99"))
    assert report("o").code == 0
    text = (folder / "report" / "report.md").read_text()
    assert f"> left out: {path}: damaged" in text
    assert text.startswith(f"# {TRUNK}, seed 0\n")
    done = report(bad)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert str(path) in done.err
    assert report(good).code == 0


@pytest.mark.parametrize("kind", ["nowhere", "empty", "foreign", "foreign run.json", "a file"])
def test_what_is_no_run_is_one_line(report: Report, folder: Path, kind: str) -> None:
    given = folder / "given"
    if kind != "nowhere":
        given.mkdir()
    if kind == "foreign":
        (given / "model.pt").write_text("x")
    if kind == "foreign run.json":
        (given / "run.json").write_text('{"run": "of another program"}')
    if kind == "a file":
        given = given / "results.csv"
        given.write_text("round\n")
    before = snapshot(folder)
    done = report(given)
    assert (done.code, done.out) == (1 if kind == "foreign run.json" else 2, "")
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith(f"error: {given}")
    assert snapshot(folder) == before


def test_a_folder_that_cannot_be_written_is_one_line(report: Report, folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    (folder / "file").write_text("")
    done = report(run, "--out", folder / "file" / "below")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert str(folder / "file") in done.err
