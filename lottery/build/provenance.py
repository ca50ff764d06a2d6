"""Where results come from: digests of users' files, versions, commit, machine."""

import hashlib
import inspect
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lottery.build.make import load_target

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")


def file_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of the source files of users' own `_target_`s, by module.

    Files inside an installed package are told apart by its version, not by their digests.
    """
    digests = {}
    for key, node in _targets(config):
        target = load_target(node, key)
        try:
            file = Path(inspect.getsourcefile(target) or "")
        except TypeError:  # built in, without a source
            continue
        installed = "site-packages" in file.parts or _package_root() in file.parents
        if file.is_file() and not installed:
            name = f"{target.__module__.replace('.', '/')}.py"
            digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return digests


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide over numbers."""
    return {"lottery": version("lottery"), "python": platform.python_version()} | {
        name: version(name) for name in PACKAGES
    }


def git_commit() -> str | None:
    """The checkout's commit, "+" behind it where files have changed; None without a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    root = _package_root().parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or not the user's repository
        return None
    return done.stdout.strip()


def machine(accelerator: str) -> dict[str, Any]:
    """The machine: results are equal byte for byte on one machine, device and thread count."""
    device = torch.cuda.get_device_name() if accelerator == "gpu" else platform.machine()
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "device": f"{accelerator} ({device})",
        "threads": torch.get_num_threads(),
        "command": " ".join(sys.argv),
    }


def _package_root() -> Path:
    return Path(__file__).resolve().parents[1]


def _targets(config: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield key, config
        for name, value in config.items():
            yield from _targets(value, f"{key}.{name}" if key else str(name))
