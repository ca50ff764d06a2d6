"""A network's frozen base and its weights (`model.weights`)."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from lottery.config.groups import Model
from lottery.config.rules import first_line, show
from lottery.config.targets import load_target
from lottery.config.weights_file import file_digest, read_weights
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.measure.flops import make_counter
from lottery.tensors import Tensors

OFFICIAL = "https://download.pytorch.org/models/vgg16-397923af.pth"
KEY = "model.weights"
ACCEPTED = "a file with a torchvision state dict (.pth, .safetensors), imagenet or random"


@dataclass(frozen=True)
class FrozenBase:
    """The part of a network that turns images into features and is not trained."""

    network: Callable[[tuple[int, ...]], nn.Module]  # takes the shape of an image
    input_shape: tuple[int, ...]
    weights: str  # the value of `model.weights`
    seed: int  # draws random weights

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """The shape of one example's features."""
        with torch.device("meta"):
            try:
                features = self.network(self.input_shape)(torch.zeros(1, *self.input_shape))
            except ValueError as error:
                raise ConfigError(f"model: does not fit the dataset: {error}") from error
        return tuple(features.shape[1:])

    def load(self) -> nn.Module:
        """Return the base in evaluation mode with its weights."""
        base = drawn(partial(self.network, self.input_shape), self.seed)
        if self.weights != "random":
            is_official = self.weights == "imagenet"
            stored = _fetch() if is_official else read_weights(Path(self.weights), KEY, ACCEPTED)
            _check(stored, base.state_dict(), self.weights)
            base.load_state_dict({name: stored[name] for name in base.state_dict()})
        return base.eval().requires_grad_(False)

    def check(self, splits: Splits, *, fetch: bool) -> None:
        """Check that the weights are there and fit; official ones only if they may be fetched."""
        if splits.train.augmentation is not None:
            raise ConfigError(
                "dataset.augment: a frozen base needs false (for an image folder none), since its "
                "features of each image are computed once"
            )
        if self.weights != "random" and (fetch or self.weights != "imagenet"):
            self.load()

    @property
    def name(self) -> str:
        """The weights' name for messages."""
        return f"model.weights={Path(self.weights).name}"

    def flops(self) -> int:
        """Count the operations of one image; they are part of the whole network's."""
        with torch.device("meta"):
            base = self.network(self.input_shape)
        return int(make_counter(base, self.input_shape)({})["flops"])

    def digest(self) -> str:
        """Return a digest of the weights."""
        if self.weights == "random":
            return f"random {self.seed} torch {torch.__version__}"
        if self.weights == "imagenet":
            return OFFICIAL.rpartition("/")[2]
        return file_digest(Path(self.weights))


def find_base(model: Model, input_shape: tuple[int, ...], seed: int = 0) -> FrozenBase | None:
    """Return the network's frozen base, if its class names one as `frozen_base`."""
    network = getattr(load_target(model.node, "model"), "frozen_base", None)
    if network is None:
        return None
    weights = model.node.get("weights")
    if not isinstance(weights, str) or not weights:
        raise ConfigError(f"model.weights={show(weights)}: {ACCEPTED}")
    return FrozenBase(network, input_shape, weights=weights, seed=seed)


def _fetch() -> Tensors:
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the table and the folder
            stored: Tensors = torch.hub.load_state_dict_from_url(
                OFFICIAL, map_location="cpu", check_hash=True, weights_only=True
            )
    except (OSError, RuntimeError) as error:  # no network, or not the right file
        raise ConfigError(
            f"model.weights=imagenet: cannot be fetched from {OFFICIAL} ({first_line(error)}); "
            "accepted: a file of it, or random"
        ) from error
    return stored


def _check(stored: Tensors, wanted: Tensors, weights: str) -> None:
    """Check that the base's weights are all there; a classifier may be there too."""
    for name, tensor in wanted.items():
        if name not in stored:
            raise ConfigError(f"model.weights={weights}: no {name} in it")
        if stored[name].shape != tensor.shape:
            raise ConfigError(
                f"model.weights={weights}: {name} is {tuple(stored[name].shape)}, "
                f"{tuple(tensor.shape)} expected"
            )
    others = [n for n in stored if n not in wanted and not n.startswith("classifier.")]
    if others:
        raise ConfigError(
            f"model.weights={weights}: belongs to another network, with {others[0]} in it"
        )
