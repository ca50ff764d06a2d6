"""Files of weights that a user names: safetensors, or a state dict that torch.save has written."""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lottery.config.rules import first_line
from lottery.errors import ConfigError
from lottery.tensors import Tensors

CODE = "it holds more than tensors and plain containers, which could be code, and is not loaded"


def read_weights(path: Path, key: str, accepted: str) -> Tensors:
    """Return the tensors of a state dict by name, also of a Lightning checkpoint's `state_dict`.

    No code in the file is run, and no more memory is taken than the file has bytes.

    Args:
        path: the file.
        key: the config key that names it, for messages.
        accepted: what the key accepts, for messages.
    """
    shown = f"{key}={path}"
    if not path.is_file():
        raise ConfigError(f"{shown}: no such file; {accepted}")
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, on how the file was written
            stored = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except pickle.UnpicklingError as error:  # its own message tells how to run the code
        raise ConfigError(f"{shown}: not a weights file: {CODE}") from error
    except Exception as error:  # other files make the readers fail in many ways
        raise ConfigError(f"{shown}: not a weights file: {first_line(error)}") from error
    if isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        stored = stored["state_dict"]
    if not isinstance(stored, Mapping):
        raise ConfigError(f"{shown}: holds no state dict but {type(stored).__name__}")
    for name, value in stored.items():
        if not isinstance(name, str) or not _is_plain(value):
            what = type(value).__name__
            raise ConfigError(f"{shown}: holds no state dict: {name!r:.100} is {what}, no weight")
    return {name: value.detach() for name, value in stored.items()}


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path) -> Any:
    if not zipfile.is_zipfile(path):  # torch's format before version 1.6
        return torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("it is compressed, as torch.save does not do")
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _is_plain(value: object) -> bool:
    """Return whether a value is a tensor with numbers of its own, in plain memory."""
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        return False
    return value.device.type == "cpu" and not value.is_quantized
