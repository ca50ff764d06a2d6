"""vgg_16_head: where its base's weights come from, and what is no file of weights."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lottery.config import frozen_base as bases
from tests.conftest import Lottery, snapshot
from tests.helpers.vgg_heads import HEAD, RANDOM, base_weights, digests, trained, write_weights

pytestmark = pytest.mark.usefixtures("thin_vgg")


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "vgg16-00000000.pth")


def test_a_random_base_is_said_loudly(lottery: Lottery, weights: Path) -> None:
    assert "RANDOM" in lottery(*RANDOM, "rounds=0").err
    assert "RANDOM" not in lottery(*HEAD, "rounds=0", f"model.weights={weights}").err


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
    torch.save(base_weights(seed=1), here)
    refused = lottery(*HEAD, "rounds=0", "model.weights=vgg.pth")
    assert refused.code == 2
    assert "other content of model.weights=vgg.pth" in refused.err


def test_a_safetensors_file_is_as_good(lottery: Lottery, weights: Path) -> None:
    save_file(base_weights(), "vgg.safetensors")
    runs = [
        trained(lottery(*HEAD, "rounds=0", f"model.weights={path}"))
        for path in ("vgg.safetensors", weights)
    ]
    assert list(runs[0].results["val_loss"]) == list(runs[1].results["val_loss"])


def _spoilt(what: str) -> Path:
    path = Path(f"{what}.pth")
    state: dict[str, Any] = base_weights()
    if what == "text":
        path.write_text("no weights")
    elif what == "cut":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:10_000])
    elif what == "module":
        torch.save(nn.Linear(2, 2), path)
    elif what == "list":
        torch.save([torch.zeros(2)], path)
    elif what == "missing":
        del state["features.17.bias"]
        torch.save(state, path)
    elif what == "shape":
        state["features.0.weight"] = torch.zeros(4, 1, 3, 3)
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
        ("shape", "features.0.weight is (4, 1, 3, 3), (4, 3, 3, 3) expected"),
        ("others", "belongs to another network, with features.30.weight in it"),
        ("numbers", "holds no state dict: 'features.0.weight' is float, no weight"),
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
    assert "model.weights=imagenet: cannot be fetched" in refused.err.splitlines()[-1]
    assert "hash" in refused.err
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    right = folder / f"vgg16-{digest}.pth"
    right.write_bytes(weights.read_bytes())
    monkeypatch.setattr(bases, "OFFICIAL", right.as_uri())
    run = trained(lottery(*HEAD, "rounds=0", "model.weights=imagenet"))
    assert digests(run)["model.weights=imagenet"] == right.name
    right.unlink()  # it is in the hub's folder by now
    assert lottery(*HEAD, "rounds=1", "model.weights=imagenet").code == 0
