"""GPUs for tests: the machine's own where PyTorch can use them, else two that are emulated.

The emulated ones (`emulated_gpu.cpp`) compute on the CPU. They show tensors on a wrong device,
forgotten moves, generators that are not kept, and where the host waits for the device. They
cannot show CUDA's numbers, its determinism, its speed, limits of memory or hangs of NCCL.

The test's own process has no GPU. A test calls functions in processes that a server forks; the
server has imported all that they need, and has neither started CUDA nor computed a gradient.
"""

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch

SOURCE = Path(__file__).with_name("emulated_gpu.cpp")
LIBRARY = "LOTTERY_TESTS_EMULATED_GPU"  # names the library for the server
NUM_EMULATED = 2  # as in emulated_gpu.cpp


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a test session."""

    emulated: bool
    number: int
    context: Any  # of multiprocessing


def find_gpus(cache: Path, visible: str | None) -> Gpus | str:
    """Return the GPUs, or why there are none; start the server of the processes that see them.

    Args:
        cache: a folder for the library, which is compiled once per version.
        visible: the value of CUDA_VISIBLE_DEVICES for these processes; None for all.
    """
    emulated = torch.version.cuda is None
    environment = {"CUDA_VISIBLE_DEVICES": visible} if visible is not None else {}
    number = NUM_EMULATED
    if emulated:
        if shutil.which("g++") is None:
            return "no GPU, and no g++ to build an emulated one"
        environment = {LIBRARY: str(_build(cache))}
    else:
        number = _count(environment)
        if not number:
            return "no GPU, and the emulated one needs a PyTorch that is built for CPUs"
    context = multiprocessing.get_context("forkserver")
    emulation = ["tests.helpers.emulated_gpu"] if emulated else []
    context.set_forkserver_preload([*emulation, "tests.conftest", "lottery.config.experiment"])
    before = dict(os.environ)
    # the server imports modules before it has our sys.path
    os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    if visible is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Gpus(emulated, number, context)


def _count(environment: dict[str, str]) -> int:
    program = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"} | environment
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _build(cache: Path) -> Path:
    """Compile the emulated GPU against the installed PyTorch, unless that was done before."""
    text = SOURCE.read_bytes() + torch.__version__.encode()
    library = cache / f"emulated_gpu_{hashlib.sha256(text).hexdigest()[:16]}.so"
    if library.exists():
        return library
    folder = Path(torch.__file__).parent
    aside = library.with_suffix(f".{os.getpid()}")
    include, link = folder / "include", folder / "lib"
    command = ["g++", "-O0", "-std=c++20", "-shared", "-fPIC", f"-I{include}"]
    command += [f"-I{include}/torch/csrc/api/include", f"-L{link}", f"-Wl,-rpath,{link}"]
    command += [str(SOURCE), "-ltorch_cpu", "-lc10", "-o", str(aside)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    aside.replace(library)
    return library
