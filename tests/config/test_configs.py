"""Every config in conf/, and every combination of criterion, scope and reinit, in tiny runs."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from lottery.api import Run, load_run
from lottery.config.hydra_setup import conf_dir
from tests.conftest import TINY, Done, Lottery
from tests.helpers.token_networks import TOKEN_MLP
from tests.helpers.toy_cifar import shrink_cifar, write_cifar
from tests.helpers.toy_image_folders import write_images
from tests.helpers.toy_images import toy_images
from tests.helpers.toy_mnist import write_mnist
from tests.helpers.toy_tables import write_table
from tests.helpers.toy_tiny_imagenet import write_tiny_imagenet

AT_LEAST = 77  # YAML files below conf/; a folder that is not seen would leave fewer
GROUPS = {
    "callbacks",
    "criterion",
    "dataset",
    "experiment",
    "hydra",
    "logger",
    "model",
    "optimizer",
    "reinit",
    "scheduler",
    "scope",
    "trainer",
}
CONFIGS = sorted(path.relative_to(conf_dir()) for path in conf_dir().rglob("*.yaml"))


def _assert_trained(done: Done, rounds: int = 1) -> Run:
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert run.status == "finished"
    assert list(run.results["round"]) == list(range(rounds + 1))
    return run


def test_every_config_is_seen() -> None:
    assert len(CONFIGS) >= AT_LEAST
    assert {path.parts[0] for path in CONFIGS if len(path.parts) > 1} >= GROUPS


SMALL = ("dataset.root=data", "dataset.batch_size=10")
ONE_STEP = ("iterations=1", "evaluation.every=1")
LARGE = (*ONE_STEP, "rounds=0", "logger=none")
NEEDS = {
    "dataset/mnist.yaml": SMALL,
    "dataset/fashion_mnist.yaml": SMALL,
    "dataset/cifar10.yaml": SMALL,
    "dataset/cifar100.yaml": SMALL,
    "dataset/image_folder.yaml": (*SMALL, "dataset.image_size=[8,8]"),
    "scheduler/linear_warmup_cosine.yaml": ("scheduler.steps=10it",),
    "dataset/modular_addition.yaml": ("dataset.p=7", "dataset.batch_size=10", *TOKEN_MLP),
    "dataset/tabular.yaml": SMALL,
    "dataset/tiny_imagenet.yaml": (*SMALL, *ONE_STEP, "model=lenet_5"),
    "criterion/synflow.yaml": ("criterion.iterations=5",),
    "model/lenet_5.yaml": ("dataset=mnist", *SMALL),
    "model/vgg_19.yaml": (*toy_images(), *LARGE),
    "model/vgg.yaml": (*toy_images(), *LARGE, "model.depth=11"),
    "model/resnet.yaml": ("model.depth=8",),
    "model/wide_resnet.yaml": ("model.depth=10", "model.width=1"),
    "model/resnet_18.yaml": (*toy_images(), *LARGE),
    "model/resnet_34.yaml": (*toy_images(), "dry_run=true"),
    "model/resnet_50.yaml": (*toy_images(), "dry_run=true"),
    "model/vit.yaml": ("model.patch=4", "model.depth=1", "model.heads=2", "model.width=8"),
    "model/vit_tiny.yaml": (*ONE_STEP, "model.depth=1"),
    "model/vgg_16_head.yaml": (*toy_images(), "model.weights=random"),
    "model/vgg_16.yaml": (*toy_images(), "dry_run=true"),  # its training would take gigabytes
}


# What a network says of the images here, where it takes something else
REFUSED = {"model/transformer.yaml": "a dataset of tokens"}

# of conf/experiment test_every_experiment.py trains every one
PARTS = [path for path in CONFIGS if path.parts[0] != "experiment"]


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("config", PARTS, ids=str)
def test_every_config_trains(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    group = [] if len(config.parts) == 1 else [f"{config.parent}={config.stem}"]
    if config.name in ("gpu.yaml", "ddp.yaml") and not torch.cuda.is_available():
        assert "no GPU" in lottery(*TINY, *group).err
        return
    if config.name == "copy.yaml":
        group.append(f"criterion.run={lottery(*TINY).run}")
    needs = NEEDS.get(str(config), ())
    if needs:
        shrink_cifar(monkeypatch)
        for source in ("MNIST", "FashionMNIST"):
            write_mnist(folder / "data", source=source)
        for name in ("cifar10", "cifar100"):
            write_cifar(folder / "data", name)
        write_images(folder / "data" / "images")
        write_table(folder / "data" / "table.csv")
        write_tiny_imagenet(folder / "data")
    done = lottery(*TINY, *group, *needs)
    if str(config) in REFUSED:
        assert REFUSED[str(config)] in done.err
        assert len(done.err.splitlines()) == 1
        return
    if "dry_run=true" in needs:
        assert done.code == 0, done.err
        return
    _assert_trained(done, rounds=0 if "rounds=0" in needs else 1)


@pytest.mark.parametrize(
    ("criterion", "scope", "reinit"),
    [
        *product(["magnitude", "random", "copy"], ["layerwise", "global"], ["rewind"]),
        *product(["copy"], ["layerwise"], ["random", "none", "lr_rewind", "finetune", "sign"]),
        *product(["random"], ["global"], ["random", "none"]),
    ],
)
def test_start_weights_are_what_the_reinit_says(
    lottery: Lottery, criterion: str, scope: str, reinit: str
) -> None:
    arguments = [*TINY, "rounds=2", f"scope={scope}", f"reinit={reinit}"]
    if criterion == "copy":
        trunk = lottery(*TINY, "rounds=2", f"scope={scope}").run
        shuffle = "layerwise" if reinit in ("rewind", "random", "sign") else "none"
        arguments += [f"criterion.run={trunk}", f"criterion.shuffle={shuffle}"]
    run = _assert_trained(lottery(*arguments, f"criterion={criterion}"), rounds=2)
    initial = run.weights(0, "start")
    for number in (1, 2):
        masks = run.masks(number)
        start = run.weights(number, "start")
        last = run.weights(number - 1, "final")
        sources = {"rewind": initial} | dict.fromkeys(("none", "lr_rewind", "finetune"), last)
        if reinit in sources:
            assert _differing(start, sources[reinit], masks) == 0
        elif reinit == "sign":
            kept = {name: start[name][mask] for name, mask in masks.items()}
            assert all(weights.abs().unique().numel() == 1 for weights in kept.values())
            assert all((w.sign() == initial[n][masks[n]].sign()).all() for n, w in kept.items())
        else:
            live = sum(int(mask.sum()) for mask in masks.values())
            assert _differing(start, initial, masks) == live
            assert _differing(start, last, masks) >= live
        pruned = [start[name][~mask] for name, mask in masks.items()]
        assert not torch.cat(pruned).any()
        assert all(torch.equal(start[name] != 0, mask) for name, mask in masks.items())


def _differing(
    start: dict[str, Tensor], source: dict[str, Tensor], masks: dict[str, Tensor]
) -> int:
    """Number of values that differ from the source under the mask, biases included."""
    assert start.keys() == source.keys()
    count = 0
    for name, tensor in start.items():
        expected = source[name] * masks[name] if name in masks else source[name]
        count += int((tensor != expected).sum())
    return count


@pytest.mark.parametrize("state", ["fresh", "restored"])
def test_late_rewinding_goes_back_to_the_dense_run_at_step_k(lottery: Lottery, state: str) -> None:
    """The dense weights at step 7 are the final ones of a dense run of 7 steps."""
    short = load_run(lottery(*TINY, "rounds=0", "iterations=7").run)
    rewinding = (*TINY, "rounds=2", "reinit.to=7", f"reinit.optimizer_state={state}")
    run = load_run(lottery(*rewinding).run)
    at_seven = short.weights(0, "final")
    for number in (1, 2):
        assert _differing(run.weights(number, "start"), at_seven, run.masks(number)) == 0
    assert list(run.results["steps"]) == [20, 13, 13]
    history = run.history
    evaluated = history[(history["round"] == 1) & (history["split"] == "val")]["iteration"]
    assert list(evaluated) == [10, 20]


def test_rewinding_with_restored_optimizer_differs_from_fresh(lottery: Lottery) -> None:
    finals = []
    for state in ("fresh", "restored"):
        done = lottery(*TINY, "reinit.to=7", f"reinit.optimizer_state={state}")
        finals.append(load_run(done.run).weights(1, "final"))
    assert not torch.equal(finals[0]["fc1.weight"], finals[1]["fc1.weight"])


def test_rewind_point_lies_within_early_stopped_round(lottery: Lottery) -> None:
    """A dense round that stops before step k leaves nothing to rewind to: never W_0 instead."""
    stopping = ("early_stopping.patience=1", "optimizer=sgd", "optimizer.lr=3")
    arguments = ("iterations=100", "evaluation.every=5", "trainer.threads=1", "rounds=1")
    done = lottery(*arguments, *stopping, "reinit.to=80")
    (path,) = Path("outputs").glob("*/seed_0")
    dense = load_run(path)
    assert dense.results["steps"][0] < 80, "the dense round did not stop early: a better setting?"
    if done.code == 0:
        initial = dense.weights(0, "start")
        assert _differing(dense.weights(1, "start"), initial, dense.masks(1)) > 0
    else:
        assert "reinit.to" in done.err.splitlines()[-1]
        assert "Traceback" not in done.err


def test_one_shot_leaves_what_the_rounds_leave(lottery: Lottery) -> None:
    rounds = load_run(lottery(*TINY, "rounds=3").run)
    shot = _assert_trained(lottery(*TINY, "rounds=3", "pruning.one_shot=3"))
    assert shot.results["remaining"][1] == rounds.results["remaining"][3]
    left = {name: int(mask.sum()) for name, mask in shot.masks(1).items()}
    assert left == {name: int(mask.sum()) for name, mask in rounds.masks(3).items()}


def test_excluded_layers_are_not_pruned(lottery: Lottery) -> None:
    run = _assert_trained(lottery(*TINY, "pruning.exclude=[output*]"))
    assert set(run.masks(1)) == {"fc1.weight", "fc2.weight"}
    row = run.results.iloc[1]
    assert row["remaining"] == 0.8
    assert row["remaining_all"] == pytest.approx((0.8 * 49200 + 1000) / 50200)


def test_scope_global_says_that_the_models_rates_do_not_apply(lottery: Lottery) -> None:
    done = lottery(*TINY, "scope=global")
    assert "rates do not apply" in done.err
    assert load_run(done.run).results["remaining"][1] == pytest.approx(0.8, abs=1e-5)
    assert lottery(*TINY, "scope=global", "pruning.rates=[]").code == 0


def test_fixed_order_shows_every_round_the_dense_batches(lottery: Lottery) -> None:
    """With nothing pruned, a rewound round is the dense one wherever the batches are."""
    losses = {}
    for order in ("fixed", "per_round"):
        nothing = ("pruning.rates=[{*: 0}]", f"dataset.order={order}")
        history = load_run(lottery(*TINY, *nothing).run).history
        train = history[history["split"] == "train"]
        losses[order] = [list(train[train["round"] == number]["loss"]) for number in (0, 1)]
    assert losses["fixed"][0] == losses["fixed"][1]
    assert losses["per_round"][0] != losses["per_round"][1]
    assert losses["per_round"][0] == losses["fixed"][0]


def test_a_scheduler_takes_effect(lottery: Lottery) -> None:
    def final(*overrides: str) -> Tensor:
        return load_run(lottery(*TINY, "rounds=0", *overrides).run).weights(0, "final")[
            "fc1.weight"
        ]

    constant = final()
    assert not torch.equal(constant, final("scheduler=step_drops", "scheduler.at=[10]"))
    assert not torch.equal(constant, final("scheduler=warmup", "scheduler.steps=10"))
    assert torch.equal(constant, final("scheduler=step_drops", "scheduler.at=[20]"))
    assert not torch.equal(constant, final("scheduler=cosine"))
    assert torch.equal(constant, final("scheduler=cosine", "scheduler.final=1"))
    # 20 batches an epoch
    in_epochs = final("scheduler=warmup", "scheduler.steps=1ep")
    assert torch.equal(in_epochs, final("scheduler=warmup", "scheduler.steps=20it"))


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer=sgd"],
        ["optimizer=sgd", "optimizer.nesterov=true"],
        ["optimizer.clip_norm=0.1"],
        ["trainer.precision=64-true"],
        ["trainer.precision=bf16-true"],
        ["trainer.precision=bf16-mixed"],
        ["trainer.deterministic=false"],
        ["model.loss=multi_margin_loss"],
        ["model.loss={_target_:torch.nn.functional.cross_entropy,label_smoothing:0.1}"],
        [
            "trainer.precision=64-true",
            "model.loss={_target_:torch.nn.CrossEntropyLoss,"
            "weight:{_target_:torch.ones,_args_:[10]}}",
        ],
    ],
    ids=lambda overrides: overrides[-1],
)
def test_variants_learn(lottery: Lottery, overrides: list[str]) -> None:
    run = _assert_trained(lottery(*TINY, "iterations=60", *overrides))
    assert (run.results["test"] > 0.5).all()
    dtype = {"64-true": torch.float64, "bf16-true": torch.bfloat16}
    expected = dtype.get(overrides[0].partition("=")[2], torch.float32)
    assert run.weights(1)["fc1.weight"].dtype == expected


def test_evaluation_in_epochs_and_at_the_last_step(lottery: Lottery) -> None:
    done = lottery("rounds=0", "trainer.threads=1", "iterations=50", "evaluation.every=1ep")
    history = load_run(done.run).history
    assert list(history[history["split"] == "val"]["iteration"]) == [20, 40, 50]


def test_test_curve_evaluates_every_time_and_changes_no_result(lottery: Lottery) -> None:
    noisy = ("rounds=0", "iterations=60", "evaluation.every=5", "trainer.threads=1")
    noisy += ("optimizer=sgd", "optimizer.lr=0.5")
    some = load_run(lottery(*noisy).run)
    every = load_run(lottery(*noisy, "evaluation.test_curve=true").run)
    pd.testing.assert_frame_equal(some.results, every.results)
    counts = {run.path: run.history["split"].value_counts() for run in (some, every)}
    assert counts[every.path]["test"] == counts[every.path]["val"] == 12
    assert counts[some.path]["test"] < 12


def test_early_stopping_ends_a_round(lottery: Lottery) -> None:
    stopping = ("early_stopping.patience=2", "optimizer=sgd", "optimizer.lr=3")
    arguments = ("rounds=0", "trainer.threads=1", "iterations=200", "evaluation.every=5")
    run = _assert_trained(lottery(*arguments, *stopping), rounds=0)
    row = run.results.iloc[0]
    val = run.history[run.history["split"] == "val"]
    assert row["steps"] < 200
    assert row["steps"] == row["ES"] + 2 * 5
    assert list(val["iteration"]) == list(range(5, int(row["steps"]) + 1, 5))
    assert row["ES"] == val["iteration"].iloc[int(val["loss"].to_numpy().argmin())]
    assert row["val_last"] == val["accuracy"].iloc[-1]
