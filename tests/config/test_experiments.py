"""conf/experiment: published protocols as literal tables."""

from collections.abc import Mapping
from typing import Any

import pytest

from lottery.config.pruning import set_up_pruning
from lottery.config.settings import read_settings
from lottery.masks import prunable_weights
from lottery.record.durations import parse_duration
from tests.helpers.experiments import PAPER, changes_of, composed, network_of

TRAIN_EXAMPLES = {"mnist": 55_000, "cifar10": 45_000}


ADAM = "Adam"
SGD = "SGD, momentum 0.9, weight decay 0.0001"
# Frankle & Carbin 2019, figure 2 and appendices G to I: dataset, iterations, batch, optimizer,
# learning rate, where it drops to a tenth, flips and crops, rates of convolutions, fully
# connected layers and the output layer per round (0 = dense), scope.
PROTOCOL = {
    "Lenet": ("mnist", 50_000, 60, ADAM, 1.2e-3, [], False, (None, 0.2, 0.1), "layerwise"),
    "Conv-2": ("cifar10", 20_000, 60, ADAM, 2e-4, [], False, (0.1, 0.2, 0.1), "layerwise"),
    "Conv-4": ("cifar10", 25_000, 60, ADAM, 3e-4, [], False, (0.1, 0.2, 0.1), "layerwise"),
    "Conv-6": ("cifar10", 30_000, 60, ADAM, 3e-4, [], False, (0.15, 0.2, 0.1), "layerwise"),
    "Resnet-18": (
        *("cifar10", 30_000, 128, SGD, 0.1, [20_000, 25_000], True),
        *((0.2, None, 0), "global"),
    ),
    "VGG-19": (
        *("cifar10", 112_480, 64, SGD, 0.1, [80 * 703, 120 * 703], True),
        *((0.2, None, 0), "global"),
    ),
}


def _read_protocol(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a composed config says, in the table's order."""
    dataset, optimizer = config["dataset"], config["optimizer"]
    per_epoch = TRAIN_EXAMPLES[dataset["name"]] // dataset["batch_size"]
    named = optimizer["_target_"].rpartition(".")[2]
    if named == "SGD":
        named += f", momentum {optimizer['momentum']}, weight decay {optimizer['weight_decay']}"
    else:
        assert optimizer["weight_decay"] == 0
    assert optimizer["clip_norm"] is None
    assert not optimizer.get("nesterov")
    scheduler = config["scheduler"]
    assert scheduler.get("factor", 0.1) == 0.1
    return (
        dataset["name"],
        parse_duration(config["iterations"]).steps(per_epoch),
        dataset["batch_size"],
        named,
        optimizer["lr"],
        [parse_duration(at).steps(per_epoch) for at in scheduler.get("at", [])],
        dataset.get("augment", False),
        _read_rates(config),
        config["scope"]["_target_"].rpartition(".")[2].lower(),
    )


def _read_rates(config: Mapping[str, Any]) -> tuple[float | None, ...]:
    """Rates of convolutions, fully connected layers and the output layer; 0 where dense."""
    settings = read_settings(config)
    network = network_of(settings)
    weights = prunable_weights(network)
    rates = set_up_pruning(settings, network).rates
    groups: dict[str, set[float]] = {"conv": set(), "fc": set(), "output": set()}
    for name, weight in weights.items():
        if "shortcut" in name:
            assert name not in rates
            continue
        kind = "output" if name == "output.weight" else "conv" if weight.dim() == 4 else "fc"
        groups[kind].add(round(rates.get(name, 0), 12))
    for found in groups.values():
        assert len(found) <= 1
    return tuple(next(iter(found), None) for found in groups.values())


@pytest.mark.parametrize("network", PROTOCOL)
def test_protocol_of_the_paper(network: str) -> None:
    config = composed(f"experiment={PAPER[network]}")
    assert _read_protocol(config) == PROTOCOL[network]
    assert config["evaluation"]["every"] == 100
    # figures 7 and 8 are read at fixed steps
    assert config["evaluation"]["test_curve"] == (network in ("Resnet-18", "VGG-19"))
    assert config["model"].get("dropout", 0) == 0
    assert config["early_stopping"]["patience"] is None
    assert config["reinit"] == {
        "_target_": "lottery.reinit.Rewind",
        "to": "0it",
        "optimizer_state": "fresh",
    }
    assert config["rounds"] == 20
    assert config["pruning"]["one_shot"] is None
    assert config["pruning"]["target_sparsity"] is None


@pytest.mark.parametrize(
    ("variant", "iterations", "lr"),
    [("conv_2", 60_000, 3e-4), ("conv_4", 75_000, 2e-4), ("conv_6", 90_000, 2e-4)],
)
def test_dropout_changes_three_things(variant: str, iterations: int, lr: float) -> None:
    changes = changes_of(
        f"experiment=frankle2019_{variant}", f"experiment=frankle2019_{variant}_dropout"
    )
    assert changes == {"iterations": iterations, "optimizer.lr": lr, "model.dropout": 0.5}


@pytest.mark.parametrize(
    ("network", "lr", "steps"), [("resnet_18", 0.03, 20_000), ("vgg_19", 0.1, 10_000)]
)
def test_warmup_changes_the_schedule_and_the_rate(network: str, lr: float, steps: int) -> None:
    name = f"experiment=frankle2019_{network}"
    changes = changes_of(name, f"{name}_warmup")
    assert composed(f"{name}_warmup")["optimizer"]["lr"] == lr
    changes.pop("optimizer.lr", None)
    assert changes == {
        "scheduler._target_": "lottery.training.schedules.Warmup",
        "scheduler.steps": steps,
    }
    assert changes_of(name, name, "optimizer.lr=0.01") == {"optimizer.lr": 0.01}


def test_widths_of_resnet_20_have_the_papers_low_rate() -> None:
    name = "experiment=resnet_20_width"
    assert changes_of("experiment=frankle2019_resnet_18", name) == {
        "model._target_": "lottery.models.ResNet",
        "model.depth": 20,
        "model.width": 1,
        "optimizer.lr": 0.01,
    }
    assert changes_of(name, name, "model.width=4") == {"model.width": 4}


@pytest.mark.parametrize("network", ["lenet", "conv_2", "conv_4", "conv_6"])
def test_thesis_is_the_paper_with_a_test_curve(network: str) -> None:
    changes = changes_of(f"experiment=frankle2019_{network}", f"experiment=thesis_{network}")
    assert changes == {"evaluation.test_curve": True}
