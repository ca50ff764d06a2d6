"""vgg_16_head: features of frozen convolutions, computed once, and the base's weights."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lottery.api import Run, load_run
from lottery.build import base as bases
from lottery.models import VGG16, VGG16Base, VGG16Head
from lottery.tensors import load_tensors
from tests.conftest import TINY, Done, Lottery, result_tables, snapshot
from tests.toy_images import ToyImages, toy_images

HEAD = (*TINY, *toy_images(), "model=vgg_16_head", "model.fc2=16", "logger=none")
RANDOM = (*HEAD, "model.weights=random")


def _state_dict(seed: int = 0) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VGG16Base((3, 32, 32)).state_dict()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torchvision state dict, its classifier shortened."""
    path = tmp_path_factory.mktemp("weights") / "vgg16-00000000.pth"
    torch.save(_state_dict() | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def _feature_files() -> list[Path]:
    return sorted(Path("outputs/.features").iterdir())


def _trained(done: Done) -> Run:
    assert done.code == 0, done.err
    return load_run(done.run)


@pytest.mark.parametrize(
    ("size", "features"), [(128, 8_192), (224, 25_088), (32, 512), (100, 4_608)]
)
def test_features_follow_from_the_image_size(size: int, features: int) -> None:
    with torch.device("meta"):
        base = VGG16Base((3, size, size))
        head = VGG16Head((features,), 2, fc2=128)
        assert base(torch.zeros(2, 3, size, size)).shape == (2, features)
    assert head.fc1.weight.shape == (256, features)
    assert head.fc2.weight.shape == (128, 256)
    assert head.output.weight.shape == (2, 128)


def test_the_base_has_torchvisions_names() -> None:
    with torch.device("meta"):
        whole = VGG16((3, 224, 224), 1_000, dropout=0)
        base = VGG16Base((3, 224, 224))
    names = [name for name in whole.state_dict() if name.startswith("features.")]
    assert list(base.state_dict()) == names


def test_head_alone_is_trained_pruned_and_stored(lottery: Lottery, weights: Path) -> None:
    longer = ("iterations=100", "optimizer.lr=0.003")
    run = _trained(lottery(*HEAD, f"model.weights={weights}", *longer))
    assert list(run.masks(1)) == ["fc1.weight", "fc2.weight", "output.weight"]
    assert run.masks(1)["fc1.weight"].shape == (256, 512)
    assert set(run.weights(1)) == {
        f"{layer}.{kind}" for layer in ("fc1", "fc2", "output") for kind in ("weight", "bias")
    }
    assert run.results["params"][0] == 512 * 256 + 256 + 256 * 16 + 16 + 16 * 4 + 4
    assert run.results["test"][0] > 0.5, "nothing learnt: are these the images' features?"
    assert run.model(1)(torch.zeros(3, 512)).shape == (3, 4)
    (file,) = _feature_files()
    base = VGG16Base((3, 32, 32))
    base.load_state_dict(_state_dict())
    images = ToyImages(3, 32, 4).load()
    for name, features in load_tensors(file).items():
        with torch.no_grad():
            expected = base(getattr(images, name).inputs)
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


THROUGH = """
from torch import nn
from lottery.models import VGG16Base, VGG16Head
from lottery.build.base import find_base
import torch

def Through(input_shape, num_classes, seed):
    head = VGG16Head((512,), num_classes, fc2=16)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        base = VGG16Base(input_shape).requires_grad_(False)
    return nn.Sequential(base, head)
"""


def test_training_through_the_base_at_every_step_gives_the_same_numbers(
    lottery: Lottery, write_module: Any
) -> None:
    """A user's network that has the base inside and knows of no cache."""
    few = ("iterations=6", "evaluation.every=3")
    run = _trained(lottery(*RANDOM, *few))
    (digest,) = (d for name, d in _digests(run).items() if name == "model.weights=random")
    seed = re.findall(r"\d+", digest)[0]
    write_module("through", THROUGH)
    own = ("model._target_=through.Through", f"+model.seed={seed}", "model.rates=[]")
    through = _trained(lottery(*TINY, *toy_images(), "logger=none", *own, *few))
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


def _digests(run: Run) -> Mapping[str, str]:
    import json

    entries: Mapping[str, str] = json.loads((run.path / "run.json").read_text())["digests"]
    return entries


def test_features_from_the_cache_give_the_same_bits(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lottery(*RANDOM, "rounds=0")
    assert first.code == 0, first.err
    tables = result_tables(first.run)
    (file,) = _feature_files()
    made = file.stat().st_mtime_ns
    Path(first.run).rename("elsewhere")
    monkeypatch.setattr(bases.FrozenBase, "load", None)  # no base, so nothing passes through it
    again = lottery(*RANDOM, "rounds=0")
    assert again.code == 0, again.err
    assert result_tables(again.run) == tables
    assert _feature_files() == [file]
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
    _trained(lottery(*snip, "rounds=0"))
    run = _trained(lottery(*snip))  # from here on in a process that has not trained round 0
    assert run.results["remaining"][1] == pytest.approx(0.8, abs=0.01)


def test_other_settings_of_training_share_the_features(lottery: Lottery) -> None:
    for arguments in (["optimizer.lr=0.01"], ["dataset.batch_size=4"], ["scope=global"]):
        assert lottery(*RANDOM, "rounds=0", *arguments).code == 0
    assert len(_feature_files()) == 1
    assert lottery(*RANDOM, "rounds=0", "seed=1").code == 0  # another random base
    assert lottery(*RANDOM, "rounds=0", "+dataset.size=64").code != 0
    assert lottery(*RANDOM, "rounds=0", "dataset.size=64").code == 0
    assert len(_feature_files()) == 3


def test_damaged_features_are_computed_anew(lottery: Lottery) -> None:
    first = lottery(*RANDOM, "rounds=0")
    tables = result_tables(first.run)
    (file,) = _feature_files()
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    first.run.rename("elsewhere")
    again = lottery(*RANDOM, "rounds=0")
    assert "damaged" in again.err
    assert result_tables(again.run) == tables


def test_a_random_base_is_said_loudly(lottery: Lottery, weights: Path) -> None:
    assert "RANDOM" in lottery(*RANDOM, "rounds=0").err
    assert "RANDOM" not in lottery(*HEAD, "rounds=0", f"model.weights={weights}").err


def test_a_dry_run_computes_and_writes_nothing(lottery: Lottery, folder: Path) -> None:
    for weights in ("random", "imagenet"):
        done = lottery(*HEAD, f"model.weights={weights}", "dry_run=true")
        assert done.code == 0, done.err
        assert "135,232" in done.out  # 512 x 256 + 256 x 16 + 16 x 4
    assert snapshot(folder) == {}


def test_names_of_weight_files_make_runs_and_their_content_is_checked(
    lottery: Lottery, weights: Path
) -> None:
    here = Path("vgg.pth")
    here.write_bytes(weights.read_bytes())
    first = lottery(*HEAD, "rounds=0", "model.weights=vgg.pth")
    assert first.code == 0, first.err
    Path("other").mkdir()
    elsewhere = here.rename("other/vgg.pth")
    assert lottery(*HEAD, "rounds=0", f"model.weights={elsewhere}").run == first.run
    renamed = elsewhere.rename("other/vgg_2.pth")
    assert lottery(*HEAD, "rounds=0", f"model.weights={renamed}").run != first.run
    torch.save(_state_dict(seed=1), here)
    refused = lottery(*HEAD, "rounds=0", "model.weights=vgg.pth")
    assert refused.code == 2
    assert "other content of model.weights=vgg.pth" in refused.err


def test_a_safetensors_file_is_as_good(lottery: Lottery, weights: Path) -> None:
    save_file(_state_dict(), "vgg.safetensors")
    runs = [
        _trained(lottery(*HEAD, "rounds=0", f"model.weights={path}"))
        for path in ("vgg.safetensors", weights)
    ]
    assert list(runs[0].results["val_loss"]) == list(runs[1].results["val_loss"])


def _spoilt(what: str) -> Path:
    path = Path(f"{what}.pth")
    state: dict[str, Any] = _state_dict()
    if what == "text":
        path.write_text("no weights")
    elif what == "cut":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:100_000])
    elif what == "module":
        torch.save(nn.Linear(2, 2), path)
    elif what == "list":
        torch.save([torch.zeros(2)], path)
    elif what == "missing":
        del state["features.17.bias"]
        torch.save(state, path)
    elif what == "shape":
        state["features.0.weight"] = torch.zeros(64, 1, 3, 3)
        torch.save(state, path)
    elif what == "others":
        torch.save(state | {"features.30.weight": torch.zeros(3)}, path)
    elif what == "numbers":
        torch.save(dict.fromkeys(state, 1.0), path)
    return path


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("nowhere", "no such file"),
        ("text", "not a weights file"),
        ("cut", "not a weights file"),
        ("module", "not a weights file"),
        ("list", "holds no state dict but list"),
        ("missing", "no features.17.bias in it"),
        ("shape", "features.0.weight is (64, 1, 3, 3), (64, 3, 3, 3) expected"),
        ("others", "of another network, with features.30.weight in it"),
        ("numbers", "no features.0.weight in it"),
    ],
)
def test_bad_weights_are_one_line_that_names_the_file(
    lottery: Lottery, folder: Path, what: str, line: str
) -> None:
    path = _spoilt(what)
    before = snapshot(folder)
    done = lottery(*HEAD, f"model.weights={path}")
    assert done.code == 2
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith(f"error: model.weights={path}: ")
    assert line in done.err
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["model.weights=null"], "model.weights=null: a file"),
        (["model.weights=5"], "model.weights=5: a file"),
        (["model.weights=random", "model.fc2=0"], "model.fc2=0: a whole number >= 1"),
        (["model.weights=random", "dataset.size=31"], "32 or more"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(lottery: Lottery, overrides: list[str], line: str) -> None:
    done = lottery(*HEAD, *overrides)
    assert done.code == 2, done.err
    assert line in done.err
    assert len(done.err.splitlines()) == 1


def test_official_weights_are_fetched_once_and_checked(
    lottery: Lottery, folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "hub"))
    monkeypatch.setattr(bases, "OFFICIAL", weights.as_uri())
    refused = lottery(*HEAD, "rounds=0", "model.weights=imagenet")
    assert refused.code == 2
    assert "model.weights=imagenet: not to be had" in refused.err.splitlines()[-1]
    assert "hash" in refused.err
    digest = bases.hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    right = folder / f"vgg16-{digest}.pth"
    right.write_bytes(weights.read_bytes())
    monkeypatch.setattr(bases, "OFFICIAL", right.as_uri())
    run = _trained(lottery(*HEAD, "rounds=0", "model.weights=imagenet"))
    assert _digests(run)["model.weights=imagenet"] == right.name
    right.unlink()  # it is in the hub's folder by now
    assert lottery(*HEAD, "rounds=1", "model.weights=imagenet").code == 0
