"""The report goes by a run's score: its name, its unit and which direction is better."""

from pathlib import Path

import pytest

from lottery.record.files import DamagedFile
from lottery.record.score import Score
from lottery.report.contents import make_contents
from lottery.report.read.checks import check_run
from lottery.report.read.controls import compare_with_controls
from lottery.report.read.groups import group_runs
from lottery.report.render import make_markdown, make_page
from tests.helpers.drawings import both, figures
from tests.helpers.toy_records import CONFIG, RANDOM_REINIT, TRUNK, toy_record
from tests.helpers.toy_scores import toy_of_score

COPY = "digits-lenet_300_100-copy-none-none-random-22222222"
TOP5 = Score("top-5 accuracy")


def ticket_and_control(folder: Path) -> list[object]:
    """The ticket's error falls, that of random reinit rises, in three seeds."""
    return [
        toy_of_score(folder / name / f"seed_{seed}", tests=tests, canonical=canonical)
        for name, canonical, slope in ((TRUNK, CONFIG, -0.1), (COPY, RANDOM_REINIT, 0.2))
        for seed in range(3)
        for tests in ([2.5 + 0.01 * seed + slope * number for number in range(3)],)
    ]


def test_the_lowest_error_wins(tmp_path: Path) -> None:
    run = toy_of_score(tmp_path / TRUNK / "seed_0", tests=(2.5, 2.4, 2.6, 3.0))
    (setting,), _ = group_runs([run])
    assert setting.best_pruned_round() == 1
    assert (
        toy_of_score(
            tmp_path / "share" / TRUNK / "seed_0", TOP5, tests=(0.9, 0.95, 0.96)
        ).winning_round
        == 2
    )


def test_gains_are_positive_where_the_error_is_lower(tmp_path: Path) -> None:
    (pair,) = compare_with_controls(group_runs(ticket_and_control(tmp_path))[0])
    assert pair.gains.values == {
        1: pytest.approx({0: 0.3, 1: 0.3, 2: 0.3}),
        2: pytest.approx({0: 0.6, 1: 0.6, 2: 0.6}),
    }


def test_no_percent_and_no_accuracy_on_the_page_of_a_regression(tmp_path: Path) -> None:
    contents = make_contents(ticket_and_control(tmp_path))
    (ticket,) = contents.answers
    assert "test RMSE is 2.31" in ticket.sentences[0]
    assert "that of the dense network 2.51" in ticket.sentences[0]
    assert "a gain of +0.2" in ticket.sentences[0]
    texts = [make_markdown(contents).partition("The rules:")[0]]
    texts += [figure.title + figure.caption for figure in contents.figures]
    texts += [axis.label for f in contents.figures for p in f.panels for axis in (p.x, p.y)]
    texts += [" ".join(table.columns) + table.caption for table in contents.tables]
    assert not [text for text in texts if "ccurac" in text or "F1" in text or "points" in text]
    make_page(contents)


def test_the_figures_show_the_error_itself(tmp_path: Path) -> None:
    run = toy_of_score(tmp_path / TRUNK / "seed_0", tests=(2.5, 2.4, 2.6))
    drawn = figures([run])
    (panel,) = both(drawn["1_accuracy"])
    assert panel["test RMSE"] == (pytest.approx([100, 80, 64]), [2.5, 2.4, 2.6])
    assert set(panel) == {"test RMSE", "inference time"}
    first = drawn["1_accuracy"].panels[0]
    assert (first.level, first.y.label) == ((2.5, "dense"), "test RMSE at ES")
    (note,) = first.notes
    assert (note.x, note.y) == pytest.approx((80, 2.4))
    _, _, curves = both(drawn["4_learning"])
    assert drawn["4_learning"].panels[2].y.label == "RMSE"
    steps, values = curves["round 0 (100.0 %), validation"]
    assert steps == [100, 200, 300]
    assert values == pytest.approx([10 - 2, 10 - 1, 10 - 2 / 3])


def test_tables_name_the_metric(tmp_path: Path) -> None:
    run = toy_of_score(tmp_path / TRUNK / "seed_0", tests=(2.5, 2.4))
    rounds = next(table for table in make_contents([run]).tables if table.title == "Rounds")
    expected = {"val RMSE": "2.4", "test RMSE": "2.4", "test at end RMSE": "2.4"}
    assert rounds.rows[1].items() >= expected.items()
    share = toy_of_score(tmp_path / "b" / TRUNK / "seed_0", TOP5, tests=(0.9, 0.95))
    rounds = next(table for table in make_contents([share]).tables if table.title == "Rounds")
    assert rounds.rows[1]["test top-5 accuracy %"] == "95.00"


def test_further_metrics_of_the_task_are_columns(tmp_path: Path) -> None:
    run = toy_of_score(tmp_path / TRUNK / "seed_0", tests=(2.5, 2.4))
    for row in run.rows:
        row.update({"val_MAE": 1.23456, "MAE": 2})
    rounds = next(table for table in make_contents([run]).tables if table.title == "Rounds")
    assert (rounds.rows[0]["val MAE"], rounds.rows[0]["MAE"]) == ("1.235", "2")


def test_runs_of_different_scores_share_no_axis_and_no_table(tmp_path: Path) -> None:
    accuracies = [toy_record(tmp_path / TRUNK / f"seed_{seed}") for seed in (0, 1)]
    error = toy_of_score(tmp_path / "r" / TRUNK / "seed_0", tests=(2.5, 2.4))
    contents = make_contents([*accuracies, error])
    titles = [table.title for table in contents.tables if table.title.startswith("Settings")]
    assert titles == ["Settings (accuracy)", "Settings (RMSE)"]
    assert [answer.heading.partition(" (")[0] for answer in contents.answers] == [
        "accuracy",
        "RMSE",
    ]
    drawn = {figure.name: figure for figure in contents.figures}
    for name in ("1_accuracy", "2_parameters", "5_flops", "6_settings"):
        labels = {panel.y.label for panel in drawn[name].panels}
        assert {"test accuracy at ES (%)", "test RMSE at ES"} <= labels
        for panel in drawn[name].panels:
            of_rmse = panel.y.label == "test RMSE at ES"
            assert not of_rmse or [line.y for line in panel.lines] == [(2.5, 2.4)]


def test_a_control_of_another_score_is_not_compared(tmp_path: Path) -> None:
    ticket = toy_record(tmp_path / TRUNK / "seed_0")
    control = toy_of_score(
        tmp_path / COPY / "seed_0", tests=(2.5, 2.4, 2.3), canonical=RANDOM_REINIT
    )
    assert not compare_with_controls(group_runs([ticket, control])[0])


def test_only_shares_have_bounds(tmp_path: Path) -> None:
    check_run(toy_of_score(tmp_path / "r" / TRUNK / "seed_0", tests=(2.5, -7.0)))
    share = toy_of_score(tmp_path / "s" / TRUNK / "seed_0", TOP5, tests=(0.9, 1.1))
    with pytest.raises(DamagedFile, match=r"row.val is 1.1, 0 to 1 expected"):
        check_run(share)
