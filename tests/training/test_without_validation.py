"""`dataset.val_share=0`: ES is the last step, and no round is chosen."""

from pathlib import Path

import pytest

from lottery.api import load_run
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.report.contents import make_contents
from lottery.report.read.runs import read_run
from lottery.ticket.extract import choose_round, take_out
from lottery.ticket.verify import compare, measure_scores
from tests.conftest import TINY, Lottery
from tests.helpers.toy_records import record, rewrite_record, write_run


def test_a_run_trains_on_all_examples_and_reports_its_last_step(lottery: Lottery) -> None:
    done = lottery(*TINY, "rounds=2", "dataset.val_share=0", "keep=winner")
    assert done.code == 0, done.err
    assert "winning round" not in done.out
    run = load_run(done.run)
    assert list(run.results.columns[:5]) == ["round", "remaining", "ES", "val", "test"]
    assert run.results[["val", "val_last"]].isna().all(axis=None)
    assert list(run.results["ES"]) == [20, 20, 20]
    assert list(run.results["test"]) == list(run.results["test_last"])
    assert set(run.history["split"]) == {"train", "test"}
    # the last round stands where the winning one would: its weights stay, and it is the ticket
    opened = OpenedRun(RunDir(done.run))
    assert not opened.folder.round(1).es.exists()
    number, why = choose_round(opened, None, None)
    assert (number, why) == (2, "the last round, without validation data")
    ticket, _ = take_out(opened, number, trust_code=False)
    scores = measure_scores(ticket.folder.path, "cpu", None, trust_code=False)
    checks = compare(ticket, scores)
    assert [check.what.partition(":")[0] for check in checks] == ["test", "test_last"]
    assert all(check.passed for check in checks)


def test_the_report_judges_the_last_round_and_says_so(tmp_path: Path) -> None:
    paths = [tmp_path / "a-b-c-0.2-e-f-01234567" / f"seed_{seed}" for seed in range(3)]
    for path in paths:
        write_run(path, tests=(0.95, 0.97, 0.96))
        for number, test in enumerate((0.95, 0.97, 0.96)):
            entry = record(number, test=test, val=0.5, remaining=0.8**number)
            entry["row"] |= {"val": None, "val_last": None, "ES": 300}  # type: ignore[typeddict-item]
            entry["history"] = [e for e in entry["history"] if e["split"] != "val"]
            rewrite_record(path, entry)
    contents = make_contents([read_run(path) for path in paths])
    text = " ".join([*contents.answers[0].sentences, *contents.rules, *contents.checks])
    assert "nothing is chosen: the last round is judged, round 2 (64.0 % of the weights)" in text
    assert "which network learns faster is not" in text
    assert "Its ES" not in text
    assert "still falling" not in text
    assert "best pruned round is" not in text


@pytest.mark.parametrize("asked", ["early_stopping.patience=2", "scheduler=plateau"])
def test_what_follows_the_validation_loss_is_refused(lottery: Lottery, asked: str) -> None:
    done = lottery(*TINY, "dataset.val_share=0", asked)
    assert done.code == 2
    assert "follows the validation loss, and dataset.val_share=0" in done.err
