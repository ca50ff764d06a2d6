"""The GPUs of this machine: how many PyTorch can use, and why it cannot use one that is there."""

import os
import re
from pathlib import Path

import torch

DEVICES = Path("/dev")  # the driver makes nvidia0, nvidia1, ... here
DRIVER = Path("/proc/driver/nvidia/version")


def count_gpus() -> int:
    """Return how many GPUs PyTorch can use; none if they are older than its kernels."""
    if not torch.cuda.is_available() or _outdated_gpu():
        return 0
    return torch.cuda.device_count()


def unusable_gpu() -> str | None:
    """Return one line if a GPU is there and PyTorch cannot use it, else None.

    A user who hides the GPUs by CUDA_VISIBLE_DEVICES does not want to use one.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not any(DEVICES.glob("nvidia[0-9]*")) or count_gpus():
        return None
    if torch.version.cuda is None:
        why = "is built for CPUs"
    elif gpu := _outdated_gpu():
        why = f"has no kernels for {gpu}"
    else:
        driver = driver_version() or "of this machine"
        why = f"needs a driver for CUDA {torch.version.cuda}; the driver is {driver}"
    return f"a GPU is here, but this PyTorch ({torch.__version__}) cannot use it: it {why}"


def driver_version() -> str | None:
    """Return the version of NVIDIA's driver, None without one."""
    if not DRIVER.exists():
        return None
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", DRIVER.read_text())
    return found and found.group()


def _outdated_gpu() -> str | None:
    """Name the first GPU if it is older than all kernels of this PyTorch, else None."""
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(0)
    kernels = re.findall(r"(?:sm|compute)_(\d+)", " ".join(torch.cuda.get_arch_list()))
    if 10 * major + minor >= min(map(int, kernels)):
        return None
    return f"{torch.cuda.get_device_name(0)} (compute capability {major}.{minor})"
