"""The presets of ImageNet and Tiny ImageNet as literal tables."""

from typing import Any

import pytest

from lottery.config.run_key import canonical
from tests.helpers.experiments import composed

SGD = {
    "optimizer._target_": "torch.optim.SGD",
    "optimizer.momentum": 0.9,
    "optimizer.weight_decay": 1e-4,
    "scheduler.factor": 0.1,
    "scope._target_": "lottery.pruning.Global",
    "pruning.exclude": [],
    "evaluation.every": "1ep",
    "reinit._target_": "lottery.reinit.Rewind",
    "reinit.optimizer_state": "fresh",
}
PROTOCOLS: dict[str, dict[str, Any]] = {
    # Frankle et al. 2020, "Linear Mode Connectivity", and OpenLTH's imagenet_resnet_50
    "imagenet_resnet_50": SGD
    | {
        "module._target_": "lottery.training.native.Supervised",
        "datamodule._target_": "lottery.training.native.ImageStream",
        "datamodule.batch_size": 1024,
        "datamodule.image_size": 224,
        "datamodule.augment": "resized_crop_flip",
        "model._target_": "lottery.models.ImageNetResNet",
        "model.depth": 50,
        "iterations": "90ep",
        "optimizer.lr": 0.4,
        "scheduler._target_": "lottery.training.schedules.Warmup",
        "scheduler.steps": "5ep",
        "scheduler.at": ["30ep", "60ep", "80ep"],
        "pruning.rate": 0.7,
        "reinit.to": "5ep",
    },
    # Frankle et al. 2021, "Why Are We Missing the Mark?"
    "tiny_imagenet_resnet_18": SGD
    | {
        "dataset._target_": "lottery.data.TinyImageNet",
        "dataset.batch_size": 256,
        "dataset.augment": "crop_flip",
        "model._target_": "lottery.models.ImageNetResNet",
        "model.depth": 18,
        "model.stem": "cifar",
        "iterations": "200ep",
        "optimizer.lr": 0.2,
        "scheduler._target_": "lottery.training.schedules.StepDrops",
        "scheduler.at": ["100ep", "150ep"],
        "pruning.rate": 0.2,
        "reinit.to": 1000,
    },
}


@pytest.mark.parametrize(
    ("name", "rounds"), [("imagenet_resnet_50", 1), ("tiny_imagenet_resnet_18", 10)]
)
def test_protocols(name: str, rounds: int) -> None:
    config = composed(f"experiment={name}")
    flat = canonical(config)
    assert {key: flat.get(key) for key in PROTOCOLS[name]} == PROTOCOLS[name]
    assert config["rounds"] == rounds
