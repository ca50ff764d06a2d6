"""Every figure shows the numbers of results.csv and the other tables, on page and paper."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lottery.record.opened_run import OpenedRun
from lottery.report.contents import make_contents
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.read.runs import read_run
from tests.helpers.drawings import both, figures, on_page, on_paper
from tests.helpers.toy_records import CONFIG, TRUNK, toy_record, write_controls, write_run

TESTS = (0.95, 0.97, 0.96, 0.90)
VALS = (0.95, 0.94, 0.96, 0.91)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / TRUNK / "seed_0"
    return write_run(folder, tests=TESTS, vals=VALS)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_controls(tmp_path_factory.mktemp("sweep"))


def with_flops(run: OpenedRun) -> OpenedRun:
    """Give the run other FLOPs in its records than in its tables."""
    for number, row in enumerate(run.rows):
        row["flops"], row["flops_remaining"] = 2200, 2200 - 100 * number
    return run


def percent(column: pd.Series) -> list[float]:
    return [100 * value for value in column]


def test_figure_1_accuracy_f1_and_time(run: Path) -> None:
    results, timing = (pd.read_csv(run / f"{name}.csv") for name in ("results", "timing"))
    figure = figures([read_run(run)])["1_accuracy"]
    (panel,) = both(figure)
    remaining = percent(results.remaining)
    assert panel == {
        "test accuracy": (remaining, percent(results.test)),
        "test macro F1": (remaining, percent(results.f1)),
        "inference time": (remaining, list(timing.inference_ms)),
    }
    assert figure.panels[0].level == (95.0, "dense")
    # Round 2 is best by validation; round 1 would be by test
    (note,) = figure.panels[0].notes
    assert (note.x, note.y) == (pytest.approx(64), 96.0)
    assert note.text == "best pruned round (64.0 %)"


def test_figure_2_parameters(run: Path) -> None:
    results = pd.read_csv(run / "results.csv")
    (panel,) = both(figures([read_run(run)])["2_parameters"])
    assert panel == {"test accuracy": (list(results.params_remaining), percent(results.test))}


def test_figure_3_layers(run: Path) -> None:
    rounds = json.loads((run / "results.json").read_text())["rounds"]
    (panel,) = both(figures([read_run(run)])["3_layers"])
    for layer in ("fc1.weight", "output.weight"):
        counts = [entry["layers"][layer] for entry in rounds]
        pruned = [100 * (1 - count["remaining"] / count["weights"]) for count in counts]
        assert panel.pop(layer) == ([0, 1, 2, 3], pruned)
    results = pd.read_csv(run / "results.csv")
    assert panel == {
        "all prunable weights": ([0, 1, 2, 3], [100 * (1 - left) for left in results.remaining])
    }


def test_figure_4_es_and_curves(run: Path) -> None:
    results, history = (pd.read_csv(run / f"{name}.csv") for name in ("results", "history"))
    es, loss, accuracy = both(figures([read_run(run)])["4_learning"])
    assert es == {"ES": (percent(results.remaining), list(results.ES))}
    assert len(loss) == len(accuracy) == 6  # the dense, the best and the last round
    for number, name in ((0, "100.0"), (2, "64.0"), (3, "51.2")):
        for split, word in (("train", "training"), ("val", "validation")):
            rows = history[(history["round"] == number) & (history.split == split)]
            label = f"round {number} ({name} %), {word}"
            assert loss[label] == (list(rows.iteration), list(rows.loss))
            assert accuracy[label] == (list(rows.iteration), percent(rows.accuracy))


def test_figure_5_flops(run: Path) -> None:
    results = pd.read_csv(run / "results.csv")
    (panel,) = both(figures([read_run(run)])["5_flops"])
    assert panel == {"test accuracy": (list(results.flops_remaining), percent(results.test))}
    (panel,) = both(figures([with_flops(read_run(run))])["5_flops"])
    assert panel == {"test accuracy": ([2200, 2100, 2000, 1900], percent(results.test))}


def test_figure_9_counts_all_rounds_of_a_ticket(run: Path, sweep: list[Path]) -> None:
    results = pd.read_csv(run / "results.csv")
    (panel,) = both(figures([read_run(run)])["9_training"])
    assert panel == {"test accuracy": (list(results.train_flops_total), percent(results.test))}
    one = 3 * 300 * 60 * 2200  # a dense training
    assert list(results.train_flops_total) == [one, 2 * one, 3 * one, 4 * one]
    (panel,) = both(figures([read_run(path) for path in sweep])["9_training"])
    assert panel.keys() == mean_of(sweep, "test").keys()


def test_settings_of_older_versions_have_no_line_in_figure_9(sweep: list[Path]) -> None:
    runs = [read_run(path) for path in sweep]
    for run in runs[3:]:
        for row in run.rows:
            del row["train_flops_total"]
    assert both(figures(runs)["9_training"])[0].keys() == {"ticket"}
    for run in runs[:3]:
        for row in run.rows:
            del row["train_flops_total"]
    assert "9_training" not in figures(runs)


def test_without_flops_the_report_says_so(tmp_path: Path) -> None:
    run = toy_record(tmp_path / TRUNK / "seed_0")
    for row in run.rows:
        del row["flops"], row["flops_remaining"]
    contents = make_contents([run])
    assert "5_flops" not in {figure.name for figure in contents.figures}
    assert "Figure 5 is missing: no run has recorded FLOPs." in contents.notes


def mean_of(sweep: list[Path], column: str, scale: float = 100) -> dict[str, list[float]]:
    """Return a column's means over the seeds by setting, from the tables."""
    found = {}
    labels = ("ticket", "random pruning", "random reinit", "random ticket")
    for number, label in enumerate(labels):
        runs = sweep[3 * number : 3 * number + 3]
        tables = [pd.read_csv(path / "results.csv") for path in runs]
        found[label] = list(scale * np.mean([table[column] for table in tables], axis=0))
    return found


def test_figure_6_settings_and_differences(sweep: list[Path]) -> None:
    figure = figures([read_run(path) for path in sweep])["6_settings"]
    accuracy, differences = both(figure)
    means, remaining = mean_of(sweep, "test"), mean_of(sweep, "remaining")
    assert accuracy.keys() == means.keys()
    for label, (x, y) in accuracy.items():
        assert x == pytest.approx(remaining[label])
        assert y == pytest.approx(means[label])
    assert differences.keys() == means.keys() - {"ticket"}
    for label, (x, y) in differences.items():
        assert x == pytest.approx(remaining[label][1:])
        difference = np.subtract(means["ticket"], means[label])
        assert y == pytest.approx(difference[1:])


def test_bands_reach_from_the_lowest_to_the_highest_seed(sweep: list[Path]) -> None:
    figure = figures([read_run(path) for path in sweep])["6_settings"]
    line = figure.panels[0].lines[0]
    tables = [100 * pd.read_csv(path / "results.csv").test for path in sweep[:3]]
    assert list(line.low) == list(np.min(tables, axis=0))
    assert list(line.high) == list(np.max(tables, axis=0))
    # Both renderers draw it.
    low, high, _ = panel_json(figure.panels[0])["data"][:3]
    assert (low["y"], high["y"], high["fill"]) == (list(line.low), list(line.high), "tonexty")
    band = draw(figure).axes[0].collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in zip(line.x, line.low, strict=True)} <= set(map(tuple, band))
    assert {tuple(point) for point in zip(line.x, line.high, strict=True)} <= set(map(tuple, band))


def test_on_demand_bands_are_confidence_intervals(sweep: list[Path]) -> None:
    figure = figures([read_run(path) for path in sweep], interval=True)["6_settings"]
    line = figure.panels[0].lines[0]
    # Seeds differ by 0.1 points: t 4.303 * 0.1 / sqrt(3)
    assert np.subtract(line.high, line.y) == pytest.approx([0.24841] * 4, abs=1e-4)
    assert np.subtract(line.y, line.low) == pytest.approx([0.24841] * 4, abs=1e-4)
    assert "95 % confidence interval" in figure.caption


def test_of_several_settings_every_figure_has_a_line_each(sweep: list[Path]) -> None:
    found = figures([with_flops(read_run(path)) for path in sweep])
    assert list(found) == [
        "1_accuracy",
        "2_parameters",
        "3_layers",
        "4_learning",
        "5_flops",
        "6_settings",
        "9_training",
    ]
    means = mean_of(sweep, "test")
    for name in ("1_accuracy", "2_parameters", "5_flops", "6_settings"):
        panel = both(found[name])[0]
        assert {label: y for label, (_, y) in panel.items()} == {
            label: pytest.approx(values) for label, values in means.items()
        }
    es = both(found["4_learning"])[0]
    assert {label: y for label, (_, y) in es.items()} == {
        label: pytest.approx(values) for label, values in mean_of(sweep, "ES", 1).items()
    }
    # Copied masks are pruned as their trunk's: two panels, not four
    assert [panel.title for panel in found["3_layers"].panels] == [
        "ticket",
        "random pruning",
    ]


def test_a_single_round_is_drawn(tmp_path: Path) -> None:
    drawn = figures([toy_record(tmp_path / TRUNK / "seed_0", tests=[0.95])])
    (panel,) = both(drawn["1_accuracy"])
    assert panel["test accuracy"] == ([100.0], [95.0])
    for figure in drawn.values():
        both(figure)


def test_one_shots_to_several_densities_are_one_line(tmp_path: Path) -> None:
    """It goes from the densest to the sparsest, without their dense networks."""
    runs = [toy_record(tmp_path / TRUNK / "seed_0")] + [
        toy_record(
            tmp_path / TRUNK.replace("1" * 8, str(k) * 8) / f"seed_{seed}",
            tests=(0.95, 0.95 - 0.01 * k),
            rate=k / 10,
            canonical=CONFIG | {"pruning.one_shot": k},
        )
        for k in (8, 2, 5)
        for seed in range(1 + k % 2)
    ]
    figures = {figure.name: figure for figure in make_contents(runs).figures}
    for name in ("1_accuracy", "6_settings"):
        for points in (on_page(figures[name])[0], on_paper(figures[name])[0]):
            assert points["one-shot ticket"][0] == pytest.approx([80, 50, 20])
            assert points["one-shot ticket"][1] == pytest.approx([93, 90, 87])
            assert {"ticket", "one-shot ticket"} <= set(points)
            assert not any("rounds" in label for label in points)
    x, _ = on_page(figures["2_parameters"])[0]["one-shot ticket"]
    assert x == [980, 650, 320]  # 100 biases and 80, 50, 20 % of 1,100


def test_one_shots_are_points_not_joined_to_the_dense_network(tmp_path: Path) -> None:
    """Its density is that of no other round, and no line joins it."""
    runs = [toy_record(tmp_path / TRUNK / "seed_0")] + [
        toy_record(
            tmp_path / TRUNK.replace("1" * 8, "2" * 8) / f"seed_{seed}",
            tests=(0.95, 0.8 + 0.1 * seed),
            rate=0.9,
            canonical=CONFIG | {"pruning.one_shot": 10},
        )
        for seed in (0, 1)
    ]
    figures = {figure.name: figure for figure in make_contents(runs).figures}
    for name in ("1_accuracy", "2_parameters", "5_flops", "6_settings"):
        traces = {trace["name"]: trace for trace in panel_json(figures[name].panels[0])["data"]}
        assert traces["ticket"]["mode"] == "lines+markers"
        points = traces["one-shot ticket"]
        assert points["mode"] == "markers"
        assert points["y"] == pytest.approx([95, 85])
        assert points["error_y"]["array"] == pytest.approx([0, 5])
        assert points["error_y"]["arrayminus"] == pytest.approx([0, 5])
        (bars,) = draw(figures[name]).axes[0].containers
        line, _, _ = bars.lines
        assert (line.get_linestyle(), line.get_marker()) == ("None", "s")
    assert on_page(figures["1_accuracy"])[0]["one-shot ticket"][0] == pytest.approx([100, 10])
