"""Every config in conf/, and every combination of criterion, scope and reinit, in tiny runs."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lottery.api import load_run
from lottery.config.hydra_setup import conf_dir
from tests.conftest import TINY, Lottery
from tests.helpers.finished import assert_trained
from tests.helpers.token_networks import TOKEN_MLP
from tests.helpers.toy_cifar import shrink_cifar, write_cifar
from tests.helpers.toy_class_folders import STREAM, write_class_folders
from tests.helpers.toy_image_folders import write_images
from tests.helpers.toy_images import toy_images
from tests.helpers.toy_mnist import write_mnist
from tests.helpers.toy_tables import write_table
from tests.helpers.toy_tasks import DECODER, TOY_TASKS
from tests.helpers.toy_tiny_imagenet import write_tiny_imagenet

AT_LEAST = 77  # YAML files below conf/; a folder that is not seen would leave fewer
GROUPS = {
    "callbacks",
    "criterion",
    "datamodule",
    "dataset",
    "dynamic",
    "experiment",
    "hydra",
    "logger",
    "model",
    "module",
    "optimizer",
    "reinit",
    "scheduler",
    "scope",
    "task",
    "trainer",
}
CONFIGS = sorted(
    path.relative_to(conf_dir())
    for path in conf_dir().rglob("*.yaml")
    if path.parent.name != "claims"  # which are no options: tests/claims/test_read.py
)


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
    "dataset/text.yaml": (*SMALL, "dataset.length=6", "task=language_model", *DECODER),
    **{f"task/{task}.yaml": overrides for task, overrides in TOY_TASKS.items()},
    "dataset/tiny_imagenet.yaml": (*SMALL, *ONE_STEP, "model=lenet_5"),
    **{f"dynamic/{name}.yaml": ("dynamic.every=5",) for name in ("set", "rigl", "gmp")},
    "datamodule/image_stream.yaml": (*STREAM, "model=lenet_5", *ONE_STEP, "rounds=0"),
    "module/supervised.yaml": (*STREAM, "model=lenet_5", "dry_run=true"),
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
EXTRAS = ("wandb.yaml", "mlflow.yaml")  # which tests/training/test_tracking.py tests, offline
PARTS = [path for path in PARTS if path.name not in EXTRAS]


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
        write_class_folders(folder / "images")
        write_table(folder / "data" / "table.csv")
        (folder / "data" / "text.txt").write_text("to be or not to be, that is the question " * 40)
        write_tiny_imagenet(folder / "data")
    done = lottery(*TINY, *group, *needs)
    if str(config) in REFUSED:
        assert REFUSED[str(config)] in done.err
        assert len(done.err.splitlines()) == 1
        return
    if "dry_run=true" in needs:
        assert done.code == 0, done.err
        return
    assert_trained(done, rounds=0 if "rounds=0" in needs else 1)


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
    run = assert_trained(lottery(*arguments, f"criterion={criterion}"), rounds=2)
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
