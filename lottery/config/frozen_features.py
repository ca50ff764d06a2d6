"""Features of the images from a network's frozen base: computed once, then read from a file."""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from lottery.config.frozen_base import FrozenBase
from lottery.config.provenance import device_name
from lottery.config.settings import Settings
from lottery.data import Split, Splits
from lottery.data.placement import placed
from lottery.distributed import is_main
from lottery.measure.evaluate import evaluating
from lottery.record.files import DamagedFile
from lottery.signals import Stopped, StopRequest
from lottery.tensors import Tensors, load_tensors, save_tensors
from lottery.training import Device

log = logging.getLogger(__name__)

CHUNK = 32  # images at a time: a larger VGG-16's activations take 50 MB each


def feature_file(
    settings: Settings, digests: Mapping[str, str], base: FrozenBase, device: Device
) -> Path:
    """Return the file of the features, for all runs that share them.

    Its name is a digest of all that the features depend on: the images, the weights, and what the
    last bits depend on.
    """
    of_training = ("dataset.batch_size", "dataset.order", "dataset.random_labels")
    depends = {
        "data": {
            key: value
            for key, value in settings.canonical.items()
            if key.startswith("dataset.") and key not in of_training
        },
        "digests": dict(digests),
        "weights": base.digest(),
        "machine": [
            device_name(device.accelerator),
            torch.get_num_threads(),
            device.precision,
            torch.__version__,
            *(["tf32"] if device.tf32 else []),
        ],
    }
    text = json.dumps(depends, sort_keys=True, default=str)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Path(settings.output_dir).absolute() / ".features" / f"{name}.safetensors"


def load_features(
    file: Path,
    *,
    splits: Splits,
    base: FrozenBase,
    device: Device,
    dtype: torch.dtype,
    stop: StopRequest,
) -> Splits:
    """Return the splits with features in place of images, from the file or computed."""
    if base.weights == "random":
        log.warning("model.weights=random: the frozen convolutions are RANDOM, not trained")
    features = _read(file)
    if features is None:
        count = sum(len(split) for split in splits.by_name().values())
        log.info("computing the features of %d images, once", count)
        begun = time.monotonic()
        network = base.load().to(device.torch_device, dtype)
        images = placed(splits, device.torch_device, dtype, on_gpu=device.data_on_gpu)
        features = {
            name: compute_features(network, split, stop)
            for name, split in images.by_name().items()
        }
        log.info("the features took %.1f s; they are in %s", time.monotonic() - begun, file)
        features = _keep(file, features)
    train, val, test = (
        Split(features[name], split.targets) for name, split in splits.by_name().items()
    )
    on_features = replace(splits, train=train, val=val, test=test)
    return placed(on_features, device.torch_device, dtype, on_gpu=device.data_on_gpu)


def compute_features(network: nn.Module, images: Split, stop: StopRequest) -> torch.Tensor:
    """Return a network's outputs for every example of a split, in CPU memory."""
    features = torch.empty(0)
    with evaluating(network):
        for first in range(0, len(images), CHUNK):
            inputs, _ = images.batch(slice(first, first + CHUNK))
            outputs = network(inputs).cpu()
            if not first:
                features = torch.empty(len(images), *outputs.shape[1:], dtype=outputs.dtype)
            features[first : first + CHUNK] = outputs
            if stop.signum:
                raise Stopped(stop.signum, "while computing features, which will start again")
    return features


def _read(file: Path) -> Tensors | None:
    if not file.exists():
        return None
    try:
        return load_tensors(file)
    except DamagedFile:
        log.warning("%s is damaged: its features are computed again", file)
        return None


def _keep(file: Path, features: Tensors) -> Tensors:
    """Write features to their file and return them mapped from it, if the disk allows it."""
    if not is_main():
        return features
    # a name of its own: another run may be writing the same features
    aside = file.with_name(f"{file.stem}.{id(features):x}{time.time_ns():x}")
    try:
        save_tensors(aside, features)
        aside.replace(file)
    except OSError as error:
        log.warning("the features are not written: %s", error)
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        return features
    return load_tensors(file, check=False)
