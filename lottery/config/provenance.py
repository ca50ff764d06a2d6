"""Where results come from: versions, git commit, machine."""

import hashlib
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import torch

from lottery.config.gpus import driver_version
from lottery.record.schema import Hardware
from lottery.training import Device

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numbers."""
    return {"lottery": version("lottery"), "python": platform.python_version()} | {
        name: version(name) for name in PACKAGES
    }


def package_versions(targets: Iterable[object]) -> dict[str, str]:
    """Return the versions of the packages that `_target_`s name, without those of `versions`.

    A user's own file is in no package; its digest stands elsewhere.

    Example:
        >>> list(package_versions(["torch.optim.SGD", "sklearn.decomposition.PCA", "mine.Net"]))
        ['scikit-learn']
    """
    roots = {str(target).partition(".")[0] for target in targets}
    roots -= {name.replace("-", "_") for name in versions()}
    if not roots:
        return {}
    by_root = packages_distributions()  # reads every package here, in a tenth of a second
    names = {name for root in roots for name in by_root.get(root, [])}
    return {name: version(name) for name in sorted(names)}


def git_commit() -> str | None:
    """Return the checkout's commit, with "+" if files have changed; None without a checkout."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    root = _package_root().parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or not the user's repository
        return None
    return done.stdout.strip()


@cache
def source_digest() -> str:
    """Return the sha256 of this package's own sources."""
    result = hashlib.sha256()
    for file in sorted(_package_root().rglob("*.py")):
        result.update(file.read_bytes())
    return result.hexdigest()


def device_name(accelerator: str) -> str:
    """Return the kind of device, such as "gpu (NVIDIA H200)"."""
    name = torch.cuda.get_device_name() if accelerator == "gpu" else platform.machine()
    return f"{accelerator} ({name})"


def hardware(device: Device) -> Hardware:
    """Return what the last bits of results depend on, besides versions and settings in the key.

    Results are equal byte for byte where all of it is equal.
    """
    on_gpu = device.accelerator == "gpu"
    found: Hardware = {
        "device": device_name(device.accelerator),
        "devices": device.num_processes,
        "threads": torch.get_num_threads(),
        "deterministic": device.deterministic,
        "compile": device.compile,
    }
    if device.grouped > 1:
        found["grouped"] = device.grouped
    if on_gpu:
        found |= {
            "tf32": device.tf32,
            "benchmark": device.benchmark,
            "graph": bool(device.graph),
            "cuda": torch.version.cuda,
            "cudnn": _version_of_cudnn(),
            "nccl": _version_of_nccl(),
            "driver": driver_version(),
        }
    return found


def machine(device: Device) -> dict[str, Any]:
    """Describe the machine and the command."""
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        **hardware(device),
        "command": " ".join(sys.argv),
    }


def _version_of_cudnn() -> str | None:
    number = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch has no types
    return None if number is None else str(number)


def _version_of_nccl() -> str | None:
    if not torch.distributed.is_nccl_available():
        return None
    return ".".join(map(str, torch.cuda.nccl.version()))  # type: ignore[no-untyped-call]  # same


def _package_root() -> Path:
    return Path(__file__).resolve().parents[1]
