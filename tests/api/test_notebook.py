"""The notebook: its cells, run one after the other in this process, and what they show."""

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lottery as package
from tests.conftest import TINY, Lottery
from tests.helpers.toy_records import TRUNK, write_controls, write_run

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "evaluation.ipynb"
FIGURES = 7


def execute(runs: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what each code cell shows: the value of its last expression, as in Jupyter."""
    monkeypatch.setenv("LOTTERY_RUNS", str(runs))
    names: dict[str, Any] = {}
    shown = []
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            *statements, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(statements, []), "cell", "exec"), names)
            assert isinstance(last, ast.Expr)
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    return shown


def figures_of(shown: list[Any]) -> list[Any]:
    found = [value for value in shown if hasattr(value, "to_plotly_json")]
    assert len(found) == FIGURES
    return found


def test_the_notebook_on_a_real_run(lottery: Lottery, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lottery("-m", *TINY, "rounds=2", "seed=0,1", "logger=none").run
    folder = next(run.parents[1].glob("digits-*"))
    shown = execute(folder, monkeypatch)
    results = [pd.read_csv(folder / f"seed_{seed}" / "results.csv") for seed in (0, 1)]
    assert shown[0] == 2
    accuracy, es, parameters, _, layers, curves, _ = figures_of(shown)
    (line,) = accuracy.data
    assert np.allclose(line.x, 100 * results[0]["remaining"])
    assert np.allclose(line.y, 100 * (results[0]["test"] + results[1]["test"]) / 2)
    assert np.allclose(es.data[0].y, (results[0]["ES"] + results[1]["ES"]) / 2)
    assert np.allclose(parameters.data[0].x, results[0]["params_remaining"])
    assert [line.name for line in layers.data] == ["fc1.weight", "fc2.weight", "output.weight"]
    assert [len(line.x) for line in curves.data] == [2, 2, 2]  # evaluated at 10 and 20


def test_the_notebook_compares_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_controls(tmp_path)
    shown = execute(tmp_path, monkeypatch)
    accuracy, *_, less = figures_of(shown)
    assert [line.name.split("-")[0] for line in accuracy.data] == [
        "copy",
        "copy",
        "magnitude",
        "random",
    ]
    # Random reinit, first by name, loses a point a round, and random pruning three.
    points = dict(zip(less.data[0].x, less.data[0].y, strict=True))
    assert points == pytest.approx({0: 0, 1: 2, 2: 4, 3: 6})


def test_a_third_setting_takes_no_rounds_from_a_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_controls(tmp_path)
    write_run(tmp_path / TRUNK.replace("magnitude", "large_init") / "seed_0", tests=[0.95])
    *_, less = figures_of(execute(tmp_path, monkeypatch))
    assert sorted(set(less.data[0].x)) == [0, 1, 2, 3]


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_histories_are_arrays_of_network_stage_and_step(tmp_path: Path) -> None:
    runs = [
        package.load_run(write_run(tmp_path / TRUNK / "seed_3", tests=[0.9, 0.8, 0.7])),
        package.load_run(write_run(tmp_path / TRUNK / "seed_5", tests=[0.9, 0.8])),
    ]
    arrays = package.histories(runs)
    assert list(arrays["seed"]) == [3, 5]
    assert list(arrays["round"]) == [0, 1, 2]
    assert list(arrays["iteration"]) == [100, 200, 300]
    # Made-up losses: 20 / step in validation, 10 / step / (round + 2) in training.
    validation = [0.2, 0.1, 20 / 300]
    assert np.allclose(arrays["val_loss"][0], [validation] * 3)
    assert np.allclose(arrays["train_loss"][1, 1], [0.1 / 3, 0.05 / 3, 0.1 / 9])
    assert np.allclose(arrays["val_accuracy"], 1 - arrays["val_loss"], equal_nan=True)
    assert np.allclose(arrays["remaining"][0], [1, 0.8, 0.64])
    assert np.isnan(arrays["remaining"][1, 2])
    assert np.isnan(arrays["val_loss"][1, 2]).all()  # this run has no round 2
    assert np.isnan(arrays["test_loss"]).all()
    with pytest.raises(ValueError, match="at least one"):
        package.histories([])
