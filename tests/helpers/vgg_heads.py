"""Runs of vgg_16_head on small images, and weight files for its base."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lottery.api import Run, load_run
from lottery.models import VGG16Base
from tests.conftest import TINY, Done
from tests.helpers.toy_images import toy_images

HEAD = (*TINY, *toy_images(), "model=vgg_16_head", "model.fc2=16", "logger=none")
RANDOM = (*HEAD, "model.weights=random")


def base_weights(seed: int = 0) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VGG16Base((3, 32, 32)).state_dict()


def write_weights(path: Path) -> Path:
    """Write a torchvision state dict with a shortened classifier."""
    torch.save(base_weights() | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def feature_files() -> list[Path]:
    return sorted(Path("outputs/.features").iterdir())


def trained(done: Done) -> Run:
    assert done.code == 0, done.err
    return load_run(done.run)


def digests(run: Run) -> Mapping[str, str]:
    entries: Mapping[str, str] = json.loads((run.path / "run.json").read_text())["digests"]
    return entries
