"""The presets of the sources other than Frankle & Carbin: only what they change."""

import pytest

from lottery.config.pruning import set_up_pruning
from lottery.config.run_key import canonical
from lottery.masks import prunable_weights
from tests.helpers.experiments import composed, network_of, settings_of

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
    "frankle2021_resnet_20": {
        "criterion._target_": "lottery.pruning.Snip",
        "criterion.num_batches": 1,
        "criterion.batch_size": 100,  # with criterion.sampling=per_class 10 of each class
        "pruning.at": "init",
        "pruning.exclude": [],
        "scope._target_": "lottery.pruning.Global",
        "model._target_": "lottery.models.ResNet20",
        "model.init": "kaiming_normal",
        "model.init_norms": "uniform",
        "dataset.name": "cifar10",
        "dataset.val_share": 0,
        "dataset.augment": True,
        "dataset.batch_size": 128,
        "optimizer._target_": "torch.optim.SGD",
        "optimizer.lr": 0.1,
        "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 1e-4,
        "scheduler.at": ["80ep", "120ep"],
        "scheduler.factor": 0.1,
        "iterations": "160ep",
    },
    "lenet_mnist_notebook_long": {"dataset.normalize": "mean_std", "iterations": 2_500},
    "grokking_addition": {
        "dataset.p": 97,
        "dataset.operation": "+",
        "dataset.train_share": 0.5,
        "dataset.batch_size": 512,
        "model.depth": 2,
        "model.heads": 4,
        "model.width": 128,
        "optimizer._target_": "torch.optim.AdamW",
        "optimizer.lr": 1e-3,
        "optimizer.betas": [0.9, 0.98],
        "optimizer.weight_decay": 1,
        "scheduler.steps": 10,
        "scheduler.at": [],
        "iterations": 10_000,
        "pruning.rate": 0.2,
    },
    "char_transformer": {
        "task._target_": "lottery.tasks.LanguageModel",
        "dataset.length": 256,
        "dataset.batch_size": 64,
        "model.depth": 6,
        "model.heads": 6,
        "model.width": 384,
        "model.dropout": 0.2,
        "model.tied": True,
        "optimizer._target_": "torch.optim.AdamW",
        "optimizer.lr": 1e-3,
        "optimizer.betas": [0.9, 0.99],
        "optimizer.weight_decay": 0.1,
        "optimizer.decay_norms": False,
        "optimizer.clip_norm": 1,
        "scheduler.steps": 100,
        "scheduler.final": 0.1,
        "iterations": 5_000,
        "evaluation.every": 250,
    },
    "vit_tiny_cifar10": {
        "dataset.name": "cifar10",
        "dataset.augment": True,
        "dataset.batch_size": 128,
        "model.patch": 4,
        "model.depth": 12,
        "model.heads": 3,
        "model.width": 192,
        "optimizer._target_": "torch.optim.AdamW",
        "optimizer.lr": 5e-4 * 128 / 512,
        "optimizer.weight_decay": 0.05,
        "scheduler._target_": "lottery.training.schedules.LinearWarmupCosine",
        "scheduler.steps": "5ep",
        "iterations": "300ep",
        "scope._target_": "lottery.pruning.Global",
    },
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
ROUNDS = {
    "frankle2021_resnet_20": 1,
    "lenet_mnist_notebook": 19,
    "lenet_mnist_notebook_long": 19,
} | dict.fromkeys(("grid_mnist", "grid_fashion", "grid_cifar10"), 16)


@pytest.mark.parametrize("name", OTHERS)
def test_protocols_of_the_other_sources(name: str) -> None:
    config = composed(f"experiment={name}")
    flat = canonical(config)
    assert {key: flat.get(key) for key in OTHERS[name]} == OTHERS[name]
    assert config["rounds"] == ROUNDS.get(name, 10)
    binary = name.endswith("binary")
    assert config["seed"] == (42 if binary else 0)
    assert config["pruning"]["target_sparsity"] == (0.9 if binary else None)


def test_the_notebooks_iterations_add_up() -> None:
    for name, total in (("lenet_mnist_notebook", 100), ("lenet_mnist_notebook_long", 50_000)):
        config = composed(f"experiment={name}")
        assert (config["rounds"] + 1) * config["iterations"] == total


@pytest.mark.parametrize("model", ["lenet_300_100", "lenet_5", "conv_6"])
@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_the_grid_prunes_every_layer_alike(model: str, scope: str) -> None:
    settings = settings_of("experiment=grid_cifar10", f"model={model}", f"scope={scope}")
    network = network_of(settings)
    weights = prunable_weights(network)
    assert set_up_pruning(settings, network).rates == dict.fromkeys(weights, 0.3)
