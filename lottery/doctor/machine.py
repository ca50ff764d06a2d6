"""What is installed and which devices there are."""

import platform
import shutil
import subprocess
from importlib.util import find_spec

import torch

from lottery.config.gpus import count_gpus, driver_version, unusable_gpu
from lottery.config.provenance import versions
from lottery.doctor.finding import Finding, failed, not_here, passed
from lottery.training.device import set_kernels

SIDE = 64  # of the matrices that a GPU multiplies


def check_versions() -> Finding:
    """Name the packages that affect numbers."""
    named = [f"{name} {version}" for name, version in versions().items()]
    if torch.version.cuda:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch has no types
        named += [f"CUDA {torch.version.cuda}", f"cuDNN {cudnn}", f"driver {driver_version()}"]
    return passed(", ".join(named))


def check_gpus() -> Finding:
    """Compute on each GPU; a GPU that torch cannot use is a fault."""
    if fault := unusable_gpu():
        return failed(f"{fault}; trainer=auto takes the CPU")
    if not count_gpus():
        return not_here(f"no GPU; CPU {platform.machine()}, {torch.get_num_threads()} threads")
    wrong = [index for index in range(count_gpus()) if not _multiplies_right(index)]
    if wrong:
        return failed(f"GPU {wrong[0]} ({_describe(wrong[0])}) computes wrong products")
    return passed("; ".join(_describe(index) for index in range(count_gpus())))


def check_precision() -> Finding:
    """Tell how exact the GPU's 32-bit convolutions and products are in a run."""
    if not count_gpus():
        return not_here("on CPUs 32-true is IEEE single precision")
    set_kernels(deterministic=True, tf32=False)  # as a run does by default
    if torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32:
        return failed("TF32 cannot be turned off")
    return passed("32-true is IEEE single precision; trainer.tf32=true rounds products to TF32")


def check_slurm() -> Finding:
    """Find SLURM and what Hydra needs to send jobs to it."""
    if not shutil.which("sbatch"):
        return not_here("no sbatch on the path")
    try:
        done = subprocess.run(
            ["sbatch", "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return not_here("sbatch is installed, but does not answer: is SLURM set up?")
    if find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        return failed("hydra-submitit-launcher is not installed: pip install 'lottery[slurm]'")
    return passed(f"{done.stdout.strip()}; -m hydra/launcher=slurm sends jobs to it")


def _multiplies_right(index: int) -> bool:
    ones = torch.ones(SIDE, SIDE, device=torch.device("cuda", index))
    return bool((ones @ ones == SIDE).all())


def _describe(index: int) -> str:
    memory = torch.cuda.get_device_properties(index).total_memory / 2**30
    return f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB"
