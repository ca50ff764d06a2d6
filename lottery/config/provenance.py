"""Where results come from: versions, git commit, machine."""

import os
import platform
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy")


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
