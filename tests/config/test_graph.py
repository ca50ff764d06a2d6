"""`trainer.graph`: what stands in the way of captured steps is one line, or is said by auto."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lottery.config import ConfigError, ProcessRank, prepare
from lottery.config.graph import with_graph
from lottery.models import LeNet300100
from lottery.training import Device, LightningFit
from tests.helpers.experiments import composed
from tests.helpers.ranks import CPUS

GPU = replace(CPUS, accelerator="gpu")


def _graph(asked: bool | str, folder: Path, device: Device, *overrides: str) -> bool | str:
    """Return how steps are made by a fit whose device is another."""
    experiment = prepare(composed(*overrides), folder, ProcessRank())
    assert isinstance(experiment.fit, LightningFit)
    settings = experiment.settings
    settings = replace(settings, trainer=replace(settings.trainer, graph=asked))
    fit = replace(experiment.fit, device=device)
    return with_graph(fit, settings, experiment.imp.num_steps).device.graph


def test_what_was_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[bool | str] = [True, "auto", False]
    assert [_graph(value, tmp_path, GPU) for value in asked] == asked
    assert _graph("auto", tmp_path, CPUS) is False
    assert caplog.text == ""


OBSTACLES: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    ((), {"accelerator": "cpu"}, "only on one GPU"),
    ((), {"num_devices": 2}, "only on one GPU"),
    ((), {"deterministic": False}, "not with trainer.deterministic=false, "),
    ((), {"compile": True}, "not with trainer.compile=true"),
    ((), {"data_on_gpu": False}, "not with trainer.data_on_gpu=false: a captured step takes no"),
    (("dynamic=set", "reinit=none"), {}, "not with dynamic, "),
    (("criterion=edge_popup",), {}, "not with criterion=edge_popup, "),
    (("optimizer.fused=false",), {}, "only with torch.optim's SGD, Adam or AdamW, "),
    (("optimizer._target_=torch.optim.Adamax", "~optimizer.fused"), {}, "only with torch.optim's"),
    (("scheduler=cosine",), {}, "only with a scheduler whose rate stays the same"),
]


@pytest.mark.parametrize(("overrides", "device", "line"), OBSTACLES)
def test_what_stands_in_the_way(
    tmp_path: Path, overrides: tuple[str, ...], device: dict[str, Any], line: str
) -> None:
    expected = f"^trainer.graph=true: {line}.*; accepted: auto, false$"
    with pytest.raises(ConfigError, match=expected):
        _graph(True, tmp_path, replace(GPU, **device), *overrides)


def test_auto_says_what_stands_in_the_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert _graph("auto", tmp_path, GPU, "scheduler=cosine") is False
    (line,) = [record.getMessage() for record in caplog.records if "graph" in record.getMessage()]
    assert line.startswith("trainer.graph=auto: only with a scheduler whose rate stays the same")


class Own(LeNet300100):
    """A network of a user's."""


@pytest.mark.parametrize(
    "own",
    [
        "model._target_=tests.config.test_graph.Own",
        "+callbacks.own._target_=pytorch_lightning.callbacks.LambdaCallback",
    ],
)
def test_auto_leaves_users_code_alone(tmp_path: Path, own: str) -> None:
    """It may count its calls, which a replay does not make; `true` trusts it."""
    assert _graph("auto", tmp_path, GPU, own) is False
    assert _graph(True, tmp_path, GPU, own) is True
