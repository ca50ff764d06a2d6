"""Every experiment: its head, its values, and a training in short."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lottery.api import load_run
from lottery.config.hydra_setup import conf_dir
from lottery.config.run_key import canonical
from tests.conftest import Lottery
from tests.helpers.experiments import composed, settings_of
from tests.helpers.toy_cifar import shrink_cifar, write_cifar
from tests.helpers.toy_class_folders import write_class_folders
from tests.helpers.toy_image_folders import write_images
from tests.helpers.toy_mnist import write_mnist
from tests.helpers.toy_tiny_imagenet import write_tiny_imagenet

EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").iterdir())
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
    settings_of(f"experiment={name}")
    settings_of(f"experiment={name}", "short=true")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_short_changes_only_how_much_is_done(name: str) -> None:
    whole, short = (_flat(composed(f"experiment={name}", *more)) for more in ([], ["short=true"]))
    assert whole.keys() == short.keys()
    differing = {key for key in whole if whole[key] != short[key]}
    allowed = {"short", "rounds", "iterations", "evaluation.every", "dataset.limit"}
    allowed |= {"scheduler.steps"}  # a rise must end before the training
    allowed |= {"reinit.to"}  # so must the rewind point
    assert differing <= allowed
    assert {"short", "dataset.limit"} <= differing
    assert ("rounds" in differing) == (whole["rounds"] > 1)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else None
        flat |= {f"{prefix}{key}": value} if inner is None else inner
    return flat


def test_short_is_no_setting_of_its_own(lottery: Lottery) -> None:
    """The key follows from the values, wherever they came from."""
    typed = ("rounds=2", "iterations=20", "evaluation.every=10", "dataset.limit=1000")
    assert canonical(composed("short=true")) == canonical(composed(*typed))
    assert canonical(composed("shortened.rounds=5")) == canonical(composed())
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


MORE = {
    "vgg16_head_binary": ["model.weights=random", "dataset.image_size=[32,32]"],
    "frankle2021_resnet_20": ["criterion.batch_size=10"],
    "vit_tiny_cifar10": ["model.depth=1", "shortened.iterations=2", "scheduler.steps=1it"],
    "resnet_20_width": ["model.depth=8"],
    "imagenet_resnet_50": [
        *("model.depth=18", "shortened.iterations=2", "datamodule.folder=data/imagenet"),
        *("datamodule.image_size=32", "datamodule.resize=36", "datamodule.batch_size=6"),
        *("datamodule.val_share=0.2", "datamodule.num_workers=1", "shortened.evaluation.every=2"),
    ],
    "tiny_imagenet_resnet_18": ["model.stem=imagenet", "shortened.iterations=2"],
    "char_transformer": [
        *("dataset.length=16", "model.depth=1", "model.width=12", "shortened.iterations=2"),
    ],
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_trains_in_short(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shrink_cifar(monkeypatch)
    config = composed(f"experiment={name}")
    dataset = config["dataset"]
    source = "images" if "folder" in dataset else dataset.get("name")
    if source == "cifar10":
        write_cifar(folder / "data")
    elif source == "images":
        write_images(folder / "data" / "images")
    elif "datamodule" in config:
        write_class_folders(folder / "data" / "imagenet")
    elif dataset["_target_"] == "lottery.data.TinyImageNet":
        write_tiny_imagenet(folder / "data")
    elif dataset["_target_"] == "lottery.data.Text":
        (folder / "data").mkdir()
        (folder / "data" / "text.txt").write_text("To be, or not to be. " * 200)
    elif source is not None:
        write_mnist(folder / "data", source={"mnist": "MNIST"}.get(source, "FashionMNIST"))
    short = [word for word in SHORT if "datamodule" not in config or "dataset." not in word]
    done = lottery(f"experiment={name}", *short, *MORE.get(name, []))
    assert done.code == 0, done.err
    assert load_run(done.run).status == "finished"


def test_experiments_differ_in_more_than_their_names() -> None:
    keys = sorted(str(canonical(composed(f"experiment={name}"))) for name in EXPERIMENTS)
    assert all(one != other for one, other in pairwise(keys))
