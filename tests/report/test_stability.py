"""The report of stability analyses: figures 7 and 8 and the table, on the page and on paper."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.report.contents import Contents, make_contents
from lottery.report.read.runs import read_run
from tests.helpers.drawings import on_page, on_paper
from tests.helpers.toy_records import TRUNK, write_controls, write_run
from tests.helpers.toy_scores import toy_of_score

ERRORS = {0: (0.02, 0.05, 0.04), 1: (0.02, 0.03, 0.02), 2: (0.05, 0.02, 0.03)}  # at 0, 1/2, 1


def write_stability(
    run: Path,
    steps: dict[tuple[int, int], float],
    norms: str = "none",
    metric: str = "accuracy",
) -> OpenedRun:
    """Write an analysis of a toy run, three pairs for each step.

    Args:
        run: its folder.
        steps: by round and step, the factor of the errors in the middle of the lines.
        norms: whether BatchNorm was recomputed.
        metric: the name of the run's score.
    """
    folder = RunDir(run).stability
    points: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for (number, step), scale in steps.items():
        where = {"round": number, "step": step}
        for pair, (first, middle, last) in ERRORS.items():
            line = {0.0: first, 0.5: scale * middle, 1.0: last}
            barrier = max(line.values()) - (first + last) / 2
            points += [
                {**where, "pair": pair, "alpha": alpha, "split": split, "error": error}
                for split in ("train", "test")
                for alpha, error in line.items()
            ]
            row = {"pair": pair, "remaining": 0.8**number, "batch_norm": norms}
            ends = (first + last) / 2
            row |= {"barrier_train": barrier, "barrier_test": barrier, "ends_error_test": ends}
            pairs.append({**where, **row, "l2": 3.0, "angle": 10.0, "l2_from_dense": None})
    starts = [
        {"round": number, "weights": weights, "split": "test", metric: value}
        for number in {number for number, _ in steps}
        for weights, value in (("masked", 0.3), ("dense", 0.1))
    ]
    folder.path.mkdir(parents=True)
    for path, rows in (
        (folder.points_csv, points),
        (folder.pairs_csv, pairs),
        (folder.untrained_csv, starts),
    ):
        pd.DataFrame(rows).to_csv(path, index=False)
    return read_run(run)


def _of(contents: Contents) -> tuple[Any, Any, Any]:
    lines, instability = (f for f in contents.figures if f.name[0] in "78")
    (table,) = (table for table in contents.tables if table.title == "Stability")
    return lines, instability, table


def test_lines_are_means_over_the_pairs_with_their_extremes(tmp_path: Path) -> None:
    run = write_stability(write_run(tmp_path / TRUNK / "seed_0"), {(0, 0): 1, (2, 0): 2})
    lines, instability, table = _of(make_contents([run]))
    test = on_page(lines)[1]
    assert on_paper(lines)[1] == test
    assert list(test) == ["round 0 (100.0 %), k = 0", "round 2 (64.0 %), k = 0"]
    x, y = test["round 2 (64.0 %), k = 0"]
    assert x == [0.0, 0.5, 1.0]
    assert y == pytest.approx([3.0, 6.667, 3.0], abs=1e-3)
    (_, second) = lines.panels[1].lines
    assert second.low == pytest.approx((2.0, 4.0, 2.0))
    assert second.high == pytest.approx((5.0, 10.0, 4.0))
    # barriers of round 2: 0.1 - 0.03, 0.06 - 0.02, 0.05 - 0.04
    (panel_train, panel_test) = on_page(instability)
    assert panel_train == panel_test
    assert panel_test["k = 0"][0] == pytest.approx([100.0, 64.0])
    assert panel_test["k = 0"][1] == pytest.approx([100 * (0.02 + 0.01 + 0.01) / 3, 4.0])
    assert panel_test["stable: below 2 points"][1] == [2.0, 2.0]
    # 1.33, half width 1.43 points; 4.00, half width 7.45
    assert [row["stable"] for row in table.rows] == ["undecided, in this seed"] * 2
    row = table.rows[1]
    assert row["test instability, points"] == "4.00 (1.00 to 7.00)"
    assert (row["pairs"], row["error at the ends %"]) == ("3", "3.00")
    assert (row["start, masked %"], row["start, dense %"]) == ("30.00", "10.00")
    assert (row["L2"], row["angle"], row["L2 from dense"]) == ("3.00", "10.00", "-")
    assert "BatchNorm" not in lines.caption


def test_instability_is_drawn_against_the_step_where_there_are_several(tmp_path: Path) -> None:
    steps = {(0, 0): 2.0, (0, 5): 2.0, (0, 100): 1.0, (2, 0): 1.0, (2, 100): 1.0}
    run = write_stability(write_run(tmp_path / TRUNK / "seed_0"), steps, "recomputed")
    lines, instability, _ = _of(make_contents([run]))
    (_, test) = on_page(instability)
    assert set(test) == {"round 0", "round 2", "stable: below 2 points"}
    assert test["round 0"][0] == [0, 5, 100]
    assert test["round 0"][1][0] == pytest.approx(4.0)
    assert instability.panels[1].x.ticks == ((0.0, "0"), (5.0, ""), (100.0, "100"))
    assert "BatchNorm statistics are recomputed" in lines.caption


def test_the_pairs_of_a_seed_count_once(tmp_path: Path) -> None:
    """Three pairs of one network tell nothing about other networks."""
    runs = [read_run(path) for path in write_controls(tmp_path, seeds=[0, 1, 2])]
    trunk = [run for run in runs if run.name == TRUNK]
    # Mean barriers in round 0: 1.20, 1.33 and 1.47 points
    scales = zip(trunk, (0.95, 1.0, 1.05), strict=True)
    analysed = [write_stability(run.path, {(0, 0): s, (2, 0): 2.0}) for run, s in scales]
    others = [run for run in runs if run.name != TRUNK]
    lines, _, table = _of(make_contents([*analysed, *others]))
    stable, unstable = table.rows
    assert (stable["setting"], stable["seeds"], stable["pairs"]) == ("ticket", "3", "9")
    assert stable["test instability, points"] == "1.33 (1.20 to 1.47)"
    assert (stable["stable"], unstable["stable"]) == ("yes", "no")
    first = lines.panels[1].lines[0]
    assert first.low[1] == pytest.approx(100 * 0.95 * (0.05 + 0.03 + 0.02) / 3)
    few = _of(make_contents(analysed[:2]))[2]
    assert few.rows[0]["stable"] == "not enough seeds to say"


def test_another_score_has_no_percent_and_no_limit(tmp_path: Path) -> None:
    run = toy_of_score(tmp_path / TRUNK / "seed_0", tests=(2.5, 2.4))
    write_stability(run.path, {(0, 0): 1.0}, metric="RMSE")
    lines, instability, table = _of(make_contents([run]))
    assert lines.panels[1].y.label == "RMSE"
    assert lines.panels[1].lines[0].y == pytest.approx((0.03, 0.1 / 3, 0.03))
    assert instability.panels[1].y.label == "instability (RMSE)"
    assert instability.panels[1].level is None
    (row,) = table.rows
    assert (row["RMSE at the ends"], row["start, masked RMSE"]) == ("0.03", "0.3")
    assert "stable" not in row


def test_a_damaged_table_leaves_its_analysis_out(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / TRUNK / f"seed_{seed}")) for seed in (0, 1)]
    for run in runs:
        write_stability(run.path, {(0, 0): 1.0})
    assert make_contents(runs).notes == ()
    runs[0].folder.stability.points_csv.write_text("round,ste")
    contents = make_contents(runs)
    assert "points.csv: damaged: no column 'alpha'; remove it" in contents.notes[0]
    assert [row["pairs"] for row in _of(contents)[2].rows] == ["3"]
