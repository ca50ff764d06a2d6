"""`lottery-ticket --features`: forests on a run's layers, kept beside the ticket."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lottery as package
from lottery.cli import ticket as ticket_command
from lottery.forests import run as forests_run
from lottery.record.files import read_json
from lottery.record.records import read_record
from lottery.record.run_dir import RunDir
from lottery.ticket import verify
from tests.conftest import Done, snapshot
from tests.helpers.toy_images import toy_images

Features = Callable[..., Done]
SHORT = ("rounds=1", "iterations=12", "evaluation.every=6", "trainer.threads=1", "logger=none")
CONV_2 = (*toy_images(1, 8, 2), "model=conv_2", "model.rates=[]", "pruning.rate=0.9")
HEAD = (*toy_images(classes=2), "model=vgg_16_head", "model.fc2=16", "model.weights=random")


def train(path: Path, *overrides: str) -> Path:
    """A finished run of a dense and a pruned round."""
    return package.run(*SHORT, f"output_dir={path}", *overrides).path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("made"), *CONV_2)


@pytest.fixture
def run(made: Path, folder: Path) -> Path:
    """A copy of it, for one test."""
    shutil.copytree(made, folder / "run")
    return folder / "run"


@pytest.fixture
def features(in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> Features:
    """`features(run, "conv1")` runs the command, without its proof."""
    monkeypatch.setattr(verify, "verify", lambda *_: [])
    monkeypatch.setattr("lottery.ticket.checks.format_checks", lambda checks: "PASS")
    monkeypatch.setattr(forests_run, "NUM_TREES", 10)

    def call(run: Path, *layers: object) -> Done:
        options = ("--trust-code", "--features", *layers)
        return in_process(ticket_command.main, "lottery-ticket", run, *options)

    return call


def forests(run: Path) -> dict[str, dict[str, Any]]:
    return {entry["layer"]: entry for entry in read_json(run / "ticket/hybrid.json")["forests"]}


def refused(done: Done) -> str:
    """The one line of an error."""
    assert (done.code, "Traceback" in done.err) == (2, False), done.out + done.err
    return done.err.splitlines()[-1].removeprefix("error: ")


def test_pruned_and_dense_features_side_by_side(features: Features, run: Path) -> None:
    done = features(run, "conv1", "fc1")
    assert done.code == 0, done.err
    entries = forests(run)
    assert list(entries) == ["conv1", "fc1"]
    conv1, fc1 = entries.values()
    # 64 filters of 3 x 3 at 8 x 8 places; 64 filters more of 64; then 64 x 4 x 4 x 256
    first, second, third = 576 * 64, 64 * 576 * 64, 1024 * 256
    assert conv1["dense"]["flops_network"] == 2 * first
    assert fc1["dense"]["flops_network"] == 2 * (first + second + third)
    layers = read_record(RunDir(run).round(1))["layers"]
    left = {
        name: layers[f"{name}.weight"]["flops_remaining"] for name in ("conv1", "conv2", "fc1")
    }
    assert conv1["pruned"]["flops_network"] == left["conv1"] == 2 * 58 * 64
    assert fc1["pruned"]["flops_network"] == sum(left.values())
    assert (conv1["num_features"], fc1["num_features"]) == (64, 256)
    assert (conv1["round"], conv1["num_test"]) == (1, 8)
    for entry in entries.values():
        assert (entry["pruned_before"], entry["equal"]) == (True, False)
        assert (
            entry["pruned"]["test"] == 1 > entry["commonest"] == 0.5
        )  # the classes' brightness differs
    lines = done.out.splitlines()
    assert any(line.startswith("forest on fc1, pruned") for line in lines)
    assert any(
        line.startswith("pruned network, round 1 (10.0 % of the weights)") for line in lines
    )
    assert any(line.startswith("fc1 (round 1, 10.0 % of the weights): ") for line in lines)


def test_layers_join_earlier_ones_and_again_is_the_same(features: Features, run: Path) -> None:
    features(run, "conv1")
    first = forests(run)["conv1"]
    features(run, "conv2")
    before = (run / "ticket/hybrid.json").read_bytes()
    assert list(forests(run)) == ["conv1", "conv2"]
    features(run, "conv1")
    assert forests(run)["conv1"] == first
    assert (run / "ticket/hybrid.json").read_bytes() == before


def test_an_unknown_layer_is_named_before_any_work(features: Features, run: Path) -> None:
    line = refused(features(run, "conv1", "conv9"))
    assert line == "--features conv9: no such layer; there are conv1, conv2, fc1, fc2, output"
    assert not (run / "ticket/hybrid.json").exists()


@pytest.mark.usefixtures("thin_vgg")
def test_a_frozen_base_has_the_dense_networks_features(
    features: Features, folder: Path, tmp_path: Path
) -> None:
    run = train(tmp_path, *HEAD)
    done = features(run, "block1_conv2", "fc1")
    assert done.code == 0, done.err
    frozen, fc1 = forests(run).values()
    assert frozen["layer"] == "features.2 (block1_conv2)"
    assert (frozen["pruned_before"], frozen["equal"], frozen["dense"]) == (False, True, None)
    places, base_flops = 32 * 32, _flops_of_dense(run) - 2 * (32 * 256 + 256 * 16 + 16 * 2)
    assert frozen["pruned"]["flops_network"] == 2 * places * 9 * (3 * 4 + 4 * 4)
    assert fc1["dense"]["flops_network"] == base_flops + 2 * 32 * 256
    assert fc1["pruned_before"]
    assert "nothing about pruning" in done.out


def _flops_of_dense(run: Path) -> int:
    return int(read_record(RunDir(run).round(0))["row"]["flops"])


def test_others_metrics_stand_beside_them(features: Features, run: Path, folder: Path) -> None:
    study = [
        {"model_type": "rf", "model_name": "hybrid_rf_block3_conv3", "accuracy": 0.91234}
        | {"precision": 0.9, "recall": 0.92, "f1_score": 0.905},
        {"model_name": "vgg16_baseline", "accuracy": 1, "flops": 10e9},
    ]
    (folder / "test_metrics.json").write_text(json.dumps(study))
    done = features(run, "conv1", "--compare", "test_metrics.json")
    assert done.code == 0, done.err
    row, other = (line for line in done.out.splitlines() if "(test_metrics.json)" in line)
    assert row.split() == [
        "hybrid_rf_block3_conv3",
        "(test_metrics.json)",
        "-",
        "91.23",
        "90.50",
        "-",
        "-",
        "-",
    ]
    assert other.split()[2:5] == ["-", "100.00", "-"]
    (folder / "other.json").write_text('{"accuracy": 0.5}')
    features(run, "conv1", "--compare", "other.json")
    for name in ("one", "two"):  # every run of that study writes a file of this name
        (folder / name).mkdir()
        (folder / name / "test_metrics.json").write_text('{"model_name": "rf", "accuracy": 0.5}')
        features(run, "conv1", "--compare", f"{name}/test_metrics.json")
    compared = read_json(run / "ticket/hybrid.json")["compared"]
    assert [entry["name"] for entry in compared] == [
        "hybrid_rf_block3_conv3",
        "vgg16_baseline",
        "other",
        "rf",
        "rf",
    ]


def test_a_run_that_cannot_be_written_is_named_before_any_work(
    features: Features, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features(run, "conv1")
    before = snapshot(run)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert "cannot be written" in refused(features(run, "conv2"))
    assert snapshot(run) == before


def test_damaged_earlier_forests_are_named_before_any_work(features: Features, run: Path) -> None:
    features(run, "conv1")
    (run / "ticket/hybrid.json").write_text("{")
    done = features(run, "conv1")
    assert done.code == 1
    assert done.out.splitlines()[-1] == "FAIL"
    assert "PASS" not in done.out
    assert "hybrid.json: damaged: " in done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "empty"),
        ("[3]", "3 in it"),
        ('{"loss": 1}', "accuracy of metrics is None"),
        ('{"accuracy": 93.1}', "accuracy of metrics is 93.1"),
        ('{"accuracy": NaN}', "accuracy of metrics is nan"),
        ('{"accuracy": "0.9"}', "accuracy of metrics is 0.9"),
        ('{"accuracy": 0.9, "flops": Infinity}', "flops of metrics is inf"),
        ('{"accuracy": 0.9, "flops": 0}', "flops of metrics is 0"),
        ('[{"model_name": "a", "accuracy": 0.9, "f1": 2}]', "f1 of a is 2"),
    ],
)
def test_a_wrong_metrics_file_is_one_line_and_no_work(
    features: Features, run: Path, content: str | None, words: str
) -> None:
    before = snapshot(run)
    path = Path("metrics.json")
    if content is not None:
        path.write_text(content)
    line = refused(features(run, "conv1", "--compare", path))
    assert line.startswith("--compare metrics.json: ")
    assert words in line
    assert snapshot(run) == before


def test_compare_needs_features(
    features: Features, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(sys, "argv", ["lottery-ticket", str(run), "--compare", "x.json"])
    with pytest.raises(SystemExit):
        ticket_command.main()
    assert capfd.readouterr().err == "error: --compare x.json: needs --features\n"


def test_a_ticket_elsewhere_has_no_dense_network(features: Features, run: Path) -> None:
    features(run, "conv1")
    (run / "ticket").rename(run / "mine")
    line = refused(features(run / "mine", "conv1"))
    assert line.endswith("mine: --features needs the ticket in its run's folder, as ticket/")
    assert not (run / "ticket").exists()
    (run / "mine").rename("alone")
    assert "alone: --features needs" in refused(features(Path("alone"), "conv1"))


@pytest.fixture(autouse=True)
def same_threads() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
