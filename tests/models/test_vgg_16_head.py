"""vgg_16_head: features of frozen convolutions, computed once, and a head trained on them."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lottery.config import frozen_base as bases
from lottery.models import VGG16, VGG16Base
from lottery.tensors import load_tensors
from tests.conftest import TINY, Lottery, WriteModule, result_tables, snapshot
from tests.helpers.toy_images import ToyImages, toy_images
from tests.helpers.vgg_heads import (
    HEAD,
    RANDOM,
    base_weights,
    digests,
    feature_files,
    trained,
    write_weights,
)

pytestmark = pytest.mark.usefixtures("thin_vgg")


def test_the_base_has_torchvisions_names() -> None:
    with torch.device("meta"):
        whole = VGG16((3, 224, 224), 1_000, dropout=0)
        base = VGG16Base((3, 224, 224))
    names = [name for name in whole.state_dict() if name.startswith("features.")]
    assert list(base.state_dict()) == names


def test_head_alone_is_trained_pruned_and_stored(lottery: Lottery, folder: Path) -> None:
    weights = write_weights(folder / "vgg16-00000000.pth")
    longer = ("iterations=100", "optimizer.lr=0.003")
    run = trained(lottery(*HEAD, f"model.weights={weights}", *longer))
    assert list(run.masks(1)) == ["fc1.weight", "fc2.weight", "output.weight"]
    assert run.masks(1)["fc1.weight"].shape == (256, 32)
    assert set(run.weights(1)) == {
        f"{layer}.{kind}" for layer in ("fc1", "fc2", "output") for kind in ("weight", "bias")
    }
    assert run.results["params"][0] == 32 * 256 + 256 + 256 * 16 + 16 + 16 * 4 + 4
    assert run.results["test"][0] > 0.5, "nothing learnt: are these the images' features?"
    assert run.model(1)(torch.zeros(3, 32)).shape == (3, 4)
    (file,) = feature_files()
    base = VGG16Base((3, 32, 32))
    base.load_state_dict(base_weights())
    images = ToyImages(3, 32, 4).load()
    for name, features in load_tensors(file).items():
        with torch.no_grad():
            expected = base(getattr(images, name).inputs)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


THROUGH = """
from torch import nn
from lottery.models import VGG16Base, VGG16Head
from lottery.config.frozen_base import find_base
import torch

def Through(input_shape, num_classes, seed):
    head = VGG16Head((32,), num_classes, fc2=16)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        base = VGG16Base(input_shape).requires_grad_(False)
    return nn.Sequential(base, head)
"""


def test_training_through_the_base_at_every_step_gives_the_same_numbers(
    lottery: Lottery, write_module: WriteModule
) -> None:
    """A user's network that has the base inside and knows of no cache."""
    few = ("iterations=6", "evaluation.every=3")
    run = trained(lottery(*RANDOM, *few))
    (digest,) = (d for name, d in digests(run).items() if name == "model.weights=random")
    seed = re.findall(r"\d+", digest)[0]
    write_module("through", THROUGH)
    own = ("model._target_=through.Through", f"+model.seed={seed}", "model.rates=[]")
    through = trained(lottery(*TINY, *toy_images(), "logger=none", *own, *few))
    assert torch.equal(
        through.weights(0, "start")["1.fc1.weight"], run.weights(0, "start")["fc1.weight"]
    )
    history, other = run.history, through.history
    assert list(history["accuracy"]) == list(other["accuracy"])
    assert list(history["loss"]) == pytest.approx(list(other["loss"]), rel=1e-3)
    masks = run.masks(1)
    agreeing = [
        (mask == through.masks(1)[f"1.{name}"]).float().mean() for name, mask in masks.items()
    ]
    assert min(agreeing) > 0.999


def test_features_from_the_cache_give_the_same_bits(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lottery(*RANDOM, "rounds=0")
    assert first.code == 0, first.err
    tables = result_tables(first.run)
    (file,) = feature_files()
    made = file.stat().st_mtime_ns
    Path(first.run).rename("elsewhere")
    monkeypatch.setattr(bases.FrozenBase, "load", None)  # no base, so nothing passes through it
    again = lottery(*RANDOM, "rounds=0")
    assert again.code == 0, again.err
    assert result_tables(again.run) == tables
    assert feature_files() == [file]
    assert file.stat().st_mtime_ns == made


def test_each_image_passes_through_the_base_once(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    forward = VGG16Base.forward

    def counting(self: VGG16Base, inputs: Tensor) -> Tensor:
        seen.append(0 if inputs.is_meta else len(inputs))
        return forward(self, inputs)

    monkeypatch.setattr(VGG16Base, "forward", counting)
    assert lottery(*RANDOM, "rounds=2").code == 0
    assert sum(seen) == 24 + 8 + 8


def test_criteria_run_the_head_on_features(lottery: Lottery) -> None:
    snip = (*RANDOM, "criterion=snip", "criterion.batch_size=12", "pruning.at=init")
    trained(lottery(*snip, "rounds=0"))
    run = trained(lottery(*snip))  # from here on in a process that has not trained round 0
    assert run.results["remaining"][1] == pytest.approx(0.8, abs=0.01)


def test_other_settings_of_training_share_the_features(lottery: Lottery) -> None:
    for arguments in (["optimizer.lr=0.01"], ["dataset.batch_size=4"], ["scope=global"]):
        assert lottery(*RANDOM, "rounds=0", *arguments).code == 0
    assert len(feature_files()) == 1
    assert lottery(*RANDOM, "rounds=0", "seed=1").code == 0  # another random base
    assert lottery(*RANDOM, "rounds=0", "+dataset.size=64").code != 0
    assert lottery(*RANDOM, "rounds=0", "dataset.size=64").code == 0
    assert len(feature_files()) == 3


def test_damaged_features_are_computed_anew(lottery: Lottery) -> None:
    first = lottery(*RANDOM, "rounds=0")
    tables = result_tables(first.run)
    (file,) = feature_files()
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    first.run.rename("elsewhere")
    again = lottery(*RANDOM, "rounds=0")
    assert "damaged" in again.err
    assert result_tables(again.run) == tables


def test_a_dry_run_computes_and_writes_nothing(lottery: Lottery, folder: Path) -> None:
    for weights in ("random", "imagenet"):
        done = lottery(*HEAD, f"model.weights={weights}", "dry_run=true")
        assert done.code == 0, done.err
        assert "12,352" in done.out  # 32 x 256 + 256 x 16 + 16 x 4
    assert snapshot(folder) == {}
