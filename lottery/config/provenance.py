"""Where results come from: digests of users' files, versions, git commit, machine."""

import hashlib
import os
import platform
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from lottery.config.targets import find_nodes, load_target

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")


def file_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Return sha256 of the files of users' `_target_`s and of their imports, by module.

    Loggers and callbacks are left out: they may change during a run.
    """
    shaping = {key: node for key, node in config.items() if key not in ("logger", "callbacks")}
    todo = {load_target(node, key).__module__ for key, node in find_nodes(shaping)}
    digests: dict[str, str] = {}
    while todo:
        module = sys.modules[todo.pop()]
        name = f"{module.__name__.replace('.', '/')}.py"
        file = _own_file(module)
        if file is not None and name not in digests:
            digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
            todo |= _imported(module)
    return digests


def _own_file(module: ModuleType) -> Path | None:
    """Return the file of a user's module; None for Python's, ours and installed ones."""
    file = Path(getattr(module, "__file__", None) or "")
    library = Path(sysconfig.get_paths()["stdlib"])
    foreign = "site-packages" in file.parts or library in file.parents
    return file if file.is_file() and not foreign and _package_root() not in file.parents else None


def _imported(module: ModuleType) -> set[str]:
    names = {
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        for value in vars(module).values()
    }
    return {name for name in names if name in sys.modules}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect numbers."""
    return {"lottery": version("lottery"), "python": platform.python_version()} | {
        name: version(name) for name in PACKAGES
    }


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


def machine(accelerator: str) -> dict[str, Any]:
    """Describe the machine. Results are equal byte for byte on one machine, device and threads."""
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
