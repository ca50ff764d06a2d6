"""Forests on features in a report: table, sentences, figure 5; without torch."""

import re
from pathlib import Path
from typing import Any

import pytest

from lottery.record.files import DamagedFile, write_json
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.report.contents import make_contents
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.figures.figure import Figure
from lottery.report.figures.lines import forest_lines
from lottery.report.read.forests import read_forests
from lottery.report.read.runs import read_run
from lottery.report.render import make_markdown
from lottery.report.words.forests import forest_answer, forest_table
from tests.helpers.toy_records import TRUNK, toy_record, write_run

OTHER: dict[str, Any] = {
    "name": "hybrid_rf_block3_conv3",
    "file": "test_metrics.json",
    "test": 0.875,
    "f1": 0.87,
    "precision": None,
    "recall": None,
    "flops": 1500.0,
}


def measured(test: float, flops_network: int, flops_forest: int = 40) -> dict[str, Any]:
    flops = flops_network + flops_forest
    costs = {"flops_network": flops_network, "flops_forest": flops_forest, "flops": flops}
    return {"val": test + 0.01, "test": test, "f1": test - 0.01, **costs}


def entry(layer: str, pruned: float, dense: float | None, **changes: Any) -> dict[str, Any]:
    given = {
        "round": 1,
        "layer": layer,
        "num_features": 6,
        "num_trees": 300,
        "num_test": 1000,
        "commonest": 0.5,
        "pruned_before": dense is not None,
        "equal": dense is None,
        "pruned": measured(pruned, 800),
        "dense": None if dense is None else measured(dense, 1000),
    }
    return given | changes


def with_forests(path: Path, *forests: dict[str, Any], compared: Any = ()) -> OpenedRun:
    """Write a run of two rounds (2,200 FLOPs dense, 1,760 pruned) with these forests."""
    run = toy_record(path / TRUNK / "seed_0", tests=(0.95, 0.96))
    content = {"forests": list(forests), "compared": list(compared)}
    write_json(RunDir(run.path).ticket.hybrid_json, content)
    return run


def test_the_table_has_the_networks_the_forests_and_others(tmp_path: Path) -> None:
    forests = (entry("conv2", 0.9, 0.93), entry("conv1", 0.7, None))
    run = with_forests(tmp_path, *forests, compared=[OTHER, OTHER | {"name": "x", "flops": None}])
    assert forest_table(read_forests(run)).cells == (
        ("dense network", "95.00", "95.00", "94.70", "2,200", "100.00", "-"),
        (
            "pruned network, round 1 (80.0 % of the weights)",
            "96.00",
            "96.00",
            "95.70",
            "1,760",
            "80.00",
            "-",
        ),
        ("forest on conv2, pruned", "91.00", "90.00", "89.00", "840", "38.18", "40"),
        ("forest on conv2, dense", "94.00", "93.00", "92.00", "1,040", "47.27", "40"),
        ("forest on conv1, pruned or dense", "71.00", "70.00", "69.00", "840", "38.18", "40"),
        (
            "hybrid_rf_block3_conv3 (test_metrics.json)",
            "-",
            "87.50",
            "87.00",
            "1,500",
            "68.18",
            "-",
        ),
        ("x (test_metrics.json)", "-", "87.50", "87.00", "-", "-", "-"),
    )


# Two standard errors: of 90 against 92.5 % among 1,000 2.52 points, of 54 against 50 % 4.47.
@pytest.mark.parametrize(
    ("pruned", "dense", "verdict"),
    [
        (0.90, 0.90, "not shown to differ"),
        (0.90, 0.925, "not shown to differ"),
        (0.90, 0.926, "worse than"),
        (0.93, 0.90, "is better than the forest on dense"),
        (0.54, 0.90, "not shown to be better than guessing"),
        (0.55, 0.90, "worse than"),
    ],
)
def test_the_verdict(tmp_path: Path, pruned: float, dense: float, verdict: str) -> None:
    answer = forest_answer(read_forests(with_forests(tmp_path, entry("conv2", pruned, dense))))
    (sentence,) = answer.sentences
    assert verdict in sentence
    numbers = re.findall(r"\d+\.\d\d %", sentence)
    accuracies = [f"{100 * share:.2f} %" for share in (pruned, dense, 0.5)]
    assert numbers == [*accuracies, "38.18 %", "96.00 %", "80.00 %"]


def test_without_a_pruned_layer_there_is_no_verdict(tmp_path: Path) -> None:
    frozen = entry("features.14 (block3_conv3)", 0.9, None)
    apart = entry("conv1", 0.9, 0.5, pruned_before=False, equal=False)
    equal, differing = forest_answer(read_forests(with_forests(tmp_path, frozen, apart))).sentences
    assert "features equal" in equal
    assert "features differ by training alone" in differing
    for sentence in (equal, differing):
        assert "nothing about pruning" in sentence
        assert not any(word in sentence for word in ("better", "worse", "guessing"))


def test_figure_5_has_a_line_from_dense_to_pruned_features(tmp_path: Path) -> None:
    forests = (entry("conv2", 0.9, 0.93), entry("conv1", 0.7, None))
    run = with_forests(tmp_path, *forests, compared=[OTHER, OTHER | {"name": "x", "flops": None}])
    lines = {line.label: (line.x, line.y) for line in forest_lines(read_forests(run))}
    assert lines == {
        "forest on conv2": ((1040.0, 840.0), (93.0, 90.0)),
        "forest on conv1": ((840.0,), (70.0,)),
        "hybrid_rf_block3_conv3": ((1500.0,), (87.5,)),
    }
    contents = make_contents([run])
    (figure,) = (figure for figure in contents.figures if figure.name == "5_flops")
    assert set(lines) < names(figure)
    low, high = figure.panels[0].x.span or (0, 0)
    assert low < 840
    assert high > 2200
    text = make_markdown(contents)
    assert "## Forests on features of digits-" in text
    assert "worse than the forest on dense features" in text


def test_models_from_elsewhere_can_be_told_apart_in_the_figure(tmp_path: Path) -> None:
    others = [OTHER | {"name": name} for name in "abcd"]
    run = with_forests(tmp_path, entry("conv1", 0.7, None), compared=others)
    _, *lines = forest_lines(read_forests(run))
    assert len({line.style for line in lines}) == 4


def names(figure: Figure) -> set[str]:
    return {trace["name"] for trace in panel_json(figure.panels[0])["data"] if "name" in trace}


def test_of_several_runs_only_the_tables_are_shown(tmp_path: Path) -> None:
    run = with_forests(tmp_path, entry("conv2", 0.9, 0.93))
    other = read_run(write_run(tmp_path / TRUNK / "seed_1", tests=(0.95, 0.96)))
    contents = make_contents([run, other])
    titles = [table.title for table in contents.tables]
    assert titles.count(f"Forests on features of {TRUNK}, seed 0") == 1
    (figure,) = (figure for figure in contents.figures if figure.name == "5_flops")
    assert "forest on conv2" not in names(figure)


def test_a_damaged_file_is_named_and_the_report_goes_on(tmp_path: Path) -> None:
    run = with_forests(tmp_path)
    path = RunDir(run.path).ticket.hybrid_json
    for text in ("{", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(DamagedFile, match=r"hybrid.json: damaged.*; remove it"):
            read_forests(run)
    contents = make_contents([run])
    assert any("hybrid.json: damaged" in note for note in contents.notes)


def test_a_run_without_forests_says_nothing_of_them(tmp_path: Path) -> None:
    run = toy_record(tmp_path / TRUNK / "seed_0")
    assert "Forests on" not in make_markdown(make_contents([run]))
