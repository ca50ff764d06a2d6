"""`import lottery`: runs from Python, and what they give back."""

import json
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import lottery as package
from lottery.api.load import LAYER_COLUMNS
from lottery.config import ConfigError
from lottery.data import Digits
from lottery.record.schema import COLUMNS
from tests.conftest import TINY, Done, Lottery, real_program, snapshot


def test_reading_a_run_needs_no_torch(lottery: Lottery) -> None:
    run = lottery(*TINY).run
    program = (
        "import sys, lottery\n"
        f"run = lottery.load_run({str(run)!r})\n"
        "(other,) = lottery.load_runs('outputs')\n"
        "assert other.path.absolute() == run.path\n"
        "print(len(run.results), len(run.history), len(run.layers), run.config['pruning.rate'])\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'pytorch_lightning')])"
    )
    assert real_program(program) == Done(0, "2 12 6 0.2\n[]\n", "")


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, lottery; print('torch' in sys.modules, 'pandas' in sys.modules)"
    assert real_program(program) == Done(0, "False False\n", "")


def test_the_command_answers_without_heavy_imports() -> None:
    loaded = "'torch' in sys.modules, 'pandas' in sys.modules"
    program = f"import sys, lottery.cli.train; print({loaded})"
    assert real_program(program) == Done(0, "False False\n", "")


def test_public_names_are_there() -> None:
    assert {"run", "load_run", "load_runs"} <= set(dir(package))
    with pytest.raises(AttributeError, match="load_rum"):
        _ = package.load_rum  # type: ignore[attr-defined]


def test_run_from_python_is_the_command(lottery: Lottery) -> None:
    done = lottery(*TINY, "scope=global")
    run = package.run(*TINY, "scope=global", "output_dir=python")
    assert run.path.parent.name == done.run.parent.name
    for name in ("results.csv", "history.csv", "results.json"):
        assert (run.path / name).read_bytes() == (done.run / name).read_bytes()
    ours, theirs = (json.loads((p / "run.json").read_text()) for p in (run.path, done.run))
    for entry in (ours, theirs):
        del entry["machine"], entry["settings"]["output_dir"]
    assert ours == theirs


def test_run_from_python_finds_the_commands_work(lottery: Lottery) -> None:
    done = lottery(*TINY)
    before = snapshot(done.run / "rounds")
    run = package.run(*TINY)
    assert run.path == done.run
    assert snapshot(done.run / "rounds") == before
    longer = package.run(*TINY, "rounds=2")
    assert longer.path == done.run
    assert list(longer.results["round"]) == [0, 1, 2]


def test_a_mistake_from_python_is_an_exception(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"pruning\.rate=7: "):
        package.run("pruning.rate=7")
    assert snapshot(folder) == {}


def test_dry_run_from_python_trains_nothing(folder: Path) -> None:
    with suppress(ConfigError):  # it may refuse
        package.run(*TINY, "dry_run=true")
    assert snapshot(folder) == {}


def test_tables_are_those_on_disk(lottery: Lottery) -> None:
    run = package.load_run(lottery(*TINY).run)
    assert tuple(run.results.columns) == (*COLUMNS, "val_ece", "ece")
    pd.testing.assert_frame_equal(run.results, pd.read_csv(run.path / "results.csv"))
    pd.testing.assert_frame_equal(run.history, pd.read_csv(run.path / "history.csv"))
    assert list(run.history.columns) == ["round", "iteration", "split", "loss", "accuracy"]
    assert list(run.layers.columns) == ["round", "layer", *LAYER_COLUMNS]
    sums = run.layers.groupby("round")[["weights", "remaining"]].sum()
    assert list(sums["remaining"] / sums["weights"]) == list(run.results["remaining"])
    assert run.status == "finished"
    assert run.config["seed"] == 0


@pytest.mark.parametrize("round_number", [0, 2])
def test_a_model_is_the_network_of_its_row(lottery: Lottery, round_number: int) -> None:
    # a rate that makes the last step worse than the best
    noisy = ("optimizer=sgd", "optimizer.lr=0.8", "iterations=60", "evaluation.every=5")
    run = package.load_run(lottery(*TINY, "rounds=2", *noisy).run)
    row = run.results.iloc[round_number]
    splits = Digits(split_seed=0).load()
    assert row["ES"] < 60
    for weights, suffix in (("es", ""), ("final", "_last")):
        model = run.model(round_number, weights=weights)
        for split, examples in (("val", splits.val), ("test", splits.test)):
            with torch.no_grad():
                predictions = model(examples.inputs).argmax(1)
            correct = int((predictions == examples.targets).sum())
            assert row[f"{split}{suffix}"] == correct / len(examples)
    with torch.no_grad():
        logits = run.model(round_number)(splits.val.inputs)
    val_loss = nn.functional.cross_entropy(logits, splits.val.targets)
    assert row["val_loss"] == pytest.approx(float(val_loss), rel=1e-5)


def test_masks_and_weights_are_keyed_by_parameter(lottery: Lottery) -> None:
    run = package.load_run(lottery(*TINY).run)
    masks = run.masks(1)
    assert set(masks) == {"fc1.weight", "fc2.weight", "output.weight"}
    assert all(mask.dtype == torch.bool for mask in masks.values())
    assert sum(int(mask.sum()) for mask in masks.values()) / 50200 == run.results["remaining"][1]
    for weights in ("start", "es", "final"):
        state = run.model(1, weights=weights).state_dict()
        assert all(not state[name][~mask].any() for name, mask in masks.items())


def test_looking_at_a_run_leaves_the_random_numbers_alone(lottery: Lottery) -> None:
    run = package.load_run(lottery(*TINY).run)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run.model(1)
    assert torch.equal(torch.rand(3), expected)


def test_what_is_not_there_is_said(lottery: Lottery, folder: Path) -> None:
    run = package.load_run(lottery(*TINY).run)
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        package.load_run(run.path.parent)
    with pytest.raises(FileNotFoundError):
        package.load_run(folder / "nowhere")
    with pytest.raises(ValueError, match="weights='best'"):
        run.weights(1, "best")
    for number in (2, -1):
        with pytest.raises(FileNotFoundError):
            run.model(number)
        with pytest.raises(FileNotFoundError):
            run.masks(number)
    assert package.load_runs(folder / "nowhere") == []
