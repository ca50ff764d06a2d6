"""conf/experiment: published protocols as literal tables, the ladders, and every one in short."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from lottery.api import load_run
from lottery.build.check import check_values
from lottery.build.durations import parse_duration
from lottery.build.hydra_setup import conf_dir, register_resolvers
from lottery.build.identity import canonical, plain
from lottery.build.network import build_network_maker
from lottery.build.pruning import ladder, plan_pruning
from lottery.masks import Masks, count_ones, linear_and_conv_weights, ones
from lottery.pruning import Keep, ScoredPruner, Trained
from lottery.pruning.scopes import split_like
from tests.conftest import Lottery
from tests.made_up_cifar import shrink_cifar, write_cifar
from tests.made_up_images import write_images
from tests.made_up_mnist import write_mnist

EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").iterdir())
PAPER = {
    "Lenet": "frankle2019_lenet",
    "Conv-2": "frankle2019_conv_2",
    "Conv-4": "frankle2019_conv_4",
    "Conv-6": "frankle2019_conv_6",
    "Resnet-18": "frankle2019_resnet_18",
    "VGG-19": "frankle2019_vgg_19",
}
INPUTS = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
TRAIN_EXAMPLES = {"mnist": 55_000, "cifar10": 45_000}


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return plain(compose("config", overrides=list(overrides)))


def _network(config: Mapping[str, Any]) -> torch.nn.Module:
    shape = INPUTS[config["dataset"]["name"]]
    with torch.device("meta"):
        return build_network_maker(config["model"], shape, 10, torch.float32)()


# ---- the paper's protocol ---------------------------------------------------------------------

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
    weights = linear_and_conv_weights(_network(config))
    rates = plan_pruning(config, weights).rates
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
    config = _composed(f"experiment={PAPER[network]}")
    assert _read_protocol(config) == PROTOCOL[network]
    assert config["evaluation"]["every"] == 100
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
    changes = _changes(
        f"experiment=frankle2019_{variant}", f"experiment=frankle2019_{variant}_dropout"
    )
    assert changes == {"iterations": iterations, "optimizer.lr": lr, "model.dropout": 0.5}


@pytest.mark.parametrize(
    ("network", "lr", "steps"), [("resnet_18", 0.03, 20_000), ("vgg_19", 0.1, 10_000)]
)
def test_warmup_changes_the_schedule_and_the_rate(network: str, lr: float, steps: int) -> None:
    name = f"experiment=frankle2019_{network}"
    changes = _changes(name, f"{name}_warmup")
    assert _composed(f"{name}_warmup")["optimizer"]["lr"] == lr
    changes.pop("optimizer.lr", None)
    assert changes == {
        "scheduler._target_": "lottery.training.schedules.Warmup",
        "scheduler.steps": steps,
    }
    assert _changes(name, name, "optimizer.lr=0.01") == {"optimizer.lr": 0.01}


@pytest.mark.parametrize("network", ["lenet", "conv_2", "conv_4", "conv_6"])
def test_thesis_is_the_paper_with_a_test_curve(network: str) -> None:
    changes = _changes(f"experiment=frankle2019_{network}", f"experiment=thesis_{network}")
    assert changes == {"evaluation.test_curve": True}


def _changes(before: str, *after: str) -> dict[str, Any]:
    """Entries of the second canonical config that the first has not."""
    old, new = canonical(_composed(before)), canonical(_composed(*after))
    assert old.keys() <= new.keys()
    return {key: value for key, value in new.items() if old.get(key, KeyError) != value}


# ---- the other sources ------------------------------------------------------------------------

OTHERS = {
    "vgg16_head_binary": {
        "dataset._target_": "lottery.data.ImageFolder",
        "dataset.image_size": [128, 128],
        "dataset.batch_size": 32,
        "model._target_": "lottery.models.VGG16Head",
        "model.weights": "imagenet",
        "model.loss": "binary_cross_entropy",
        "optimizer._target_": "torch.optim.Adam",
        "optimizer.lr": 1e-3,
        "iterations": "10ep",
        "pruning.rate": 0.2,
        "scope._target_": "lottery.pruning.Global",
    },
    "lenet_binary": {
        "dataset._target_": "lottery.data.ImageFolder",
        "dataset.image_size": [128, 128],
        "dataset.batch_size": 32,
        "dataset.limit": 2_000,
        "model._target_": "lottery.models.LeNet5",
        "model.loss": "binary_cross_entropy",
        "optimizer._target_": "torch.optim.Adam",
        "optimizer.lr": 1e-3,
        "iterations": "20ep",
        "pruning.rate": 0.2,
        "pruning.exclude": [],
        "scope._target_": "lottery.pruning.Global",
    },
    "lenet_mnist_notebook": {
        "dataset.name": "mnist",
        "dataset.normalize": "mean_std",
        "dataset.batch_size": 60,
        "model._target_": "lottery.models.LeNet300100",
        "optimizer._target_": "torch.optim.Adam",
        "optimizer.lr": 1.2e-3,
        "iterations": 5,
        "pruning.rate": 0.2,
        "scope._target_": "lottery.pruning.Layerwise",
    },
    "lenet_mnist_notebook_long": {"dataset.normalize": "mean_std", "iterations": 2_500},
} | {
    f"grid_{source}": {
        "dataset.name": name,
        "dataset.batch_size": 60,
        "optimizer._target_": "torch.optim.Adam",
        "optimizer.lr": 1.2e-3,
        "iterations": 40_000,
        "pruning.rate": 0.3,
        "pruning.rates": [],
    }
    for source, name in (("mnist", "mnist"), ("fashion", "fashion_mnist"), ("cifar10", "cifar10"))
}
ROUNDS = {"lenet_mnist_notebook": 19, "lenet_mnist_notebook_long": 19} | dict.fromkeys(
    ("grid_mnist", "grid_fashion", "grid_cifar10"), 16
)


@pytest.mark.parametrize("name", OTHERS)
def test_protocols_of_the_other_sources(name: str) -> None:
    config = _composed(f"experiment={name}")
    flat = canonical(config)
    assert {key: flat.get(key) for key in OTHERS[name]} == OTHERS[name]
    assert config["rounds"] == ROUNDS.get(name, 10)
    binary = name.endswith("binary")
    assert config["seed"] == (42 if binary else 0)
    assert config["pruning"]["target_sparsity"] == (0.9 if binary else None)


def test_the_notebooks_iterations_add_up() -> None:
    for name, total in (("lenet_mnist_notebook", 100), ("lenet_mnist_notebook_long", 50_000)):
        config = _composed(f"experiment={name}")
        assert (config["rounds"] + 1) * config["iterations"] == total


@pytest.mark.parametrize("model", ["lenet_300_100", "lenet_5", "conv_6"])
@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_the_grid_prunes_every_layer_alike(model: str, scope: str) -> None:
    config = _composed("experiment=grid_cifar10", f"model={model}", f"scope={scope}")
    weights = linear_and_conv_weights(_network(config))
    assert plan_pruning(config, weights).rates == dict.fromkeys(weights, 0.3)


# ---- the ladder -------------------------------------------------------------------------------

# Percent of the weights left after rounds 0, 1, 2, ... 20.
LADDER = {
    "Lenet": [
        *(100, 80.04, 64.06, 51.28, 41.05, 32.87, 26.32, 21.07, 16.88, 13.52, 10.83),
        *(8.68, 6.95, 5.57, 4.47, 3.58, 2.87, 2.31, 1.85, 1.49, 1.19),
    ],
    "Conv-2": [
        *(100, 80.10, 64.16, 51.41, 41.20, 33.02, 26.47, 21.23, 17.03, 13.66, 10.97),
        *(8.81, 7.08, 5.69, 4.57, 3.68, 2.97, 2.39, 1.93, 1.56, 1.26),
    ],
    "Conv-4": [
        *(100, 81.08, 65.84, 53.55, 43.63, 35.61, 29.13, 23.88, 19.62, 16.16, 13.35),
        *(11.06, 9.18, 7.65, 6.40, 5.37, 4.51, 3.81, 3.23, 2.75, 2.34),
    ],
    "Conv-6": [
        *(100, 82.54, 68.20, 56.39, 46.68, 38.67, 32.07, 26.61, 22.11, 18.38, 15.29),
        *(12.74, 10.62, 8.86, 7.39, 6.18, 5.17, 4.32, 3.62, 3.03, 2.54),
    ],
    "Resnet-18": [
        *(100, 80.24, 64.43, 51.78, 41.66, 33.56, 27.09, 21.91, 17.76, 14.44, 11.79),
        *(9.67, 7.97, 6.61, 5.53, 4.66, 3.96, 3.41, 2.96, 2.61, 2.32),
    ],
    "VGG-19": [
        *(100, 80.01, 64.01, 51.21, 40.98, 32.79, 26.23, 20.99, 16.80, 13.44, 10.76),
        *(8.61, 6.90, 5.52, 4.42, 3.54, 2.84, 2.28, 1.83, 1.47, 1.18),
    ],
}
# What the percent are of: every Linear and Conv weight, biases and BatchNorm not counted. Of
# Resnet-18 and VGG-19 the layers that stay dense are in it (`remaining_all`); the other networks
# have none (`remaining` and `remaining_all` agree).
DENOMINATOR = {
    "Lenet": (266_200, 266_200),  # prunable, all
    "Conv-2": (4_300_992, 4_300_992),
    "Conv-4": (2_425_024, 2_425_024),
    "Conv-6": (2_261_184, 2_261_184),
    "Resnet-18": (267_696, 270_896),
    "VGG-19": (20_018_880, 20_024_000),
}


@pytest.mark.parametrize("network", LADDER)
def test_ladder_of_remaining_weights(network: str) -> None:
    config = _composed(f"experiment={PAPER[network]}")
    weights = linear_and_conv_weights(_network(config))
    plan = plan_pruning(config, weights)
    sizes = {name: weights[name].numel() for name in plan.prunable}
    shapes = {name: tuple(weights[name].shape) for name in plan.prunable}
    prunable, everything = sum(sizes.values()), sum(w.numel() for w in weights.values())
    assert (prunable, everything) == DENOMINATOR[network]
    for number, percent in enumerate(LADDER[network]):
        left = ladder(plan.scope, shapes, plan.rates, number) * prunable
        ours = 100 * (left + everything - prunable) / everything
        assert ours == pytest.approx(percent, abs=0.03), f"round {number}"
    assert len(LADDER[network]) == 21


@pytest.mark.parametrize("network", ["Lenet", "Conv-2", "Resnet-18"])
def test_one_shot_leaves_exactly_what_the_rounds_leave(network: str) -> None:
    experiment = f"experiment={PAPER[network]}"
    layers = linear_and_conv_weights(_network(_composed(experiment)))
    plan = plan_pruning(_composed(experiment), layers)
    shapes = {name: layers[name].shape for name in plan.prunable}
    pruner = plan.pruner
    assert isinstance(pruner, ScoredPruner)
    dense = masks = ones({name: torch.empty(shape) for name, shape in shapes.items()})
    for k in range(1, 21):
        left = pruner.expected(_trained(masks))
        masks = _with(left, masks)
        assert replace(pruner, steps=k).expected(_trained(dense)) == left
    shot = plan_pruning(_composed(experiment, "pruning.one_shot=20"), layers).pruner
    counts = count_ones(shot(_trained(dense)))
    assert (sum(counts.values()) if isinstance(left, int) else counts) == left


def _trained(masks: Masks) -> Trained:
    generator = torch.Generator().manual_seed(0)
    weights = {name: torch.randn(mask.shape, generator=generator) for name, mask in masks.items()}
    return Trained(0, weights, weights, masks, generator)


def _with(left: Keep, masks: Masks) -> Masks:
    """Masks with so many ones, in each layer or in all, wherever."""
    if isinstance(left, int):
        joined = torch.cat([mask.flatten() for mask in masks.values()])
        return split_like(joined & (joined.cumsum(0) <= left), masks)
    return {
        name: mask & (mask.flatten().cumsum(0).reshape(mask.shape) <= left[name])
        for name, mask in masks.items()
    }


# ---- every experiment -------------------------------------------------------------------------

HEADER = ("Source", "Protocol", "Rounds", "Expected", "Command", "Time")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_header_says_what_one_needs_to_know(name: str) -> None:
    lines = (conf_dir() / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    header = [line for line in lines if line.startswith("#")]
    entries = [line.split()[1] for line in header[1:] if line[2:3] != " "]
    assert [entry for entry in entries if entry in HEADER] == list(HEADER)
    assert any(f"experiment={name}" in line for line in header)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_values_pass_the_checks(name: str) -> None:
    check_values(_composed(f"experiment={name}"))
    check_values(_composed(f"experiment={name}", "short=true"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_short_changes_only_how_much_is_done(name: str) -> None:
    whole, short = (_flat(_composed(f"experiment={name}", *more)) for more in ([], ["short=true"]))
    assert whole.keys() == short.keys()
    differing = {key for key in whole if whole[key] != short[key]}
    allowed = {"short", "rounds", "iterations", "evaluation.every", "dataset.limit"}
    assert differing <= allowed
    assert {"short", "rounds", "dataset.limit"} <= differing


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else None
        flat |= {f"{prefix}{key}": value} if inner is None else inner
    return flat


def test_short_is_no_setting_of_its_own(lottery: Lottery) -> None:
    """The key follows from the values, wherever they came from."""
    typed = ("rounds=2", "iterations=20", "evaluation.every=10", "dataset.limit=1000")
    assert canonical(_composed("short=true")) == canonical(_composed(*typed))
    assert canonical(_composed("shortened.rounds=5")) == canonical(_composed())
    done = lottery("short=maybe")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "short=maybe: true or false" in done.err


# Little data and one step: the largest networks take seconds as it is.
SHORT = [
    *(
        "short=true",
        "shortened.rounds=0",
        "shortened.iterations=1",
        "shortened.evaluation.every=1",
    ),
    *("shortened.dataset.limit=100", "dataset.batch_size=5", "dataset.root=data"),
    *("trainer.threads=1", "logger=none"),
]
MORE = {"vgg16_head_binary": ["model.weights=random", "dataset.image_size=[32,32]"]}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_trains_in_short(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shrink_cifar(monkeypatch)
    source = _composed(f"experiment={name}")["dataset"].get("name", "images")
    if source == "cifar10":
        write_cifar(folder / "data")
    elif source == "images":
        write_images(folder / "data" / "images")
    else:
        write_mnist(folder / "data", source={"mnist": "MNIST"}.get(source, "FashionMNIST"))
    done = lottery(f"experiment={name}", *SHORT, *MORE.get(name, []))
    assert done.code == 0, done.err
    assert load_run(done.run).status == "finished"


def test_experiments_differ_in_more_than_their_names() -> None:
    keys = sorted(str(canonical(_composed(f"experiment={name}"))) for name in EXPERIMENTS)
    assert all(one != other for one, other in pairwise(keys))
