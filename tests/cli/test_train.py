"""The command, in process: what a user sees of a run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.cli import train
from lottery.report import report_at_end
from tests.conftest import QUICK, TINY, Done
from tests.helpers.toy_records import TRUNK, write_run


def test_run_prints_table_and_folder(lottery: Callable[..., Done]) -> None:
    done = lottery(*QUICK)
    assert done.code == 0, done.err
    assert "winning round" in done.out
    assert (done.run / "results.csv").exists()
    again = lottery(*QUICK)
    assert again.code == 0
    assert again.out == done.out


def test_ctrl_c_in_a_sweep_ends_it_with_its_table(
    lottery: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "run_with_status", interrupted)
    done = lottery("-m", *QUICK, "seed=0,1")
    assert done.code == 130
    assert "resume with: lottery -m" in done.err
    assert "interrupted" in done.out
    assert "seed=1" not in done.out  # the second job was not begun


def test_a_run_and_a_sweep_end_with_their_reports(
    lottery: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOTTERY_REPORT")
    first = lottery(*TINY)
    assert "pruned" not in first.err  # no log of the fonts that go into a PDF
    sweep = lottery("-m", *TINY, "seed=0,1")
    for done in (first, lottery(*TINY), sweep):
        assert done.code == 0, done.err
        report, folder = done.out.splitlines()[-2:]
        assert report == f"{folder}/report.html"
        assert (done.run / "report.html").stat().st_size < 500_000
    # all pages share one plotly.js
    assert len(list(first.run.parents[1].glob(".report/plotly-*.min.js"))) == 1
    # a run of a sweep has its page, and no pictures
    of_sweep = first.run.parent / "seed_1"
    assert (of_sweep / "report.html").exists()
    assert "draws them as PNG and PDF" in (of_sweep / "report.md").read_text()
    assert [(folder / "figures").exists() for folder in (first.run, of_sweep, sweep.run)] == [
        True,
        False,
        True,
    ]


def test_at_a_runs_end_no_report_is_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOTTERY_REPORT")
    run = write_run(folder / TRUNK / "seed_0")
    assert report_at_end(folder / "a sweep without runs") is None
    assert caplog.text == ""
    (run / "report.html").mkdir()
    assert report_at_end(run) is None
    assert "no report: IsADirectoryError: " in caplog.text


def test_no_report_is_made_where_the_environment_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    monkeypatch.setenv("LOTTERY_REPORT", "0")
    assert report_at_end(run) is None
    assert not (run / "report.html").exists()
