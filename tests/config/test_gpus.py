"""Which GPU is used: none is passed over in silence, and each task may see one of its own."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lottery.config import ConfigError, ProcessRank, gpus
from lottery.config.device import build_device
from tests.conftest import TINY, Lottery
from tests.helpers.experiments import settings_of

CPU_BUILD = f"a GPU is here, but this PyTorch ({torch.__version__}) cannot use it: it "


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU and its driver, as their files say."""
    (tmp_path / "nvidia0").touch()
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\n")
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    monkeypatch.setattr(gpus, "DRIVER", version)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def in_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """PyTorch says that it has one GPU, of compute capability 7.0."""
    here = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_capability": lambda device: (7, 0),
        "get_device_name": lambda device: "Tesla V100",
        "get_arch_list": lambda: ["sm_70", "sm_90", "compute_90"],
    }
    for name, value in here.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "to be restored")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    yield monkeypatch
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("driver")
def test_why_a_gpu_cannot_be_used(in_torch: pytest.MonkeyPatch) -> None:
    assert gpus.count_gpus() == 1
    assert gpus.unusable_gpu() is None
    in_torch.setattr(torch.version, "cuda", "13.0")
    in_torch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90"])
    assert gpus.count_gpus() == 0
    why = "has no kernels for Tesla V100 (compute capability 7.0)"
    assert gpus.unusable_gpu() == CPU_BUILD + why
    in_torch.setattr(torch.cuda, "is_available", lambda: False)
    why = "needs a driver for CUDA 13.0; the driver is 535.104.05"
    assert gpus.unusable_gpu() == CPU_BUILD + why
    in_torch.setattr(torch.version, "cuda", None)
    assert gpus.unusable_gpu() == CPU_BUILD + "is built for CPUs"
    in_torch.setenv("CUDA_VISIBLE_DEVICES", "")  # the user wants no GPU
    assert gpus.unusable_gpu() is None


@pytest.mark.usefixtures("driver")
def test_a_run_says_that_a_gpu_is_not_used(lottery: Lottery) -> None:
    short = (*TINY, "rounds=0", "iterations=2", "evaluation.every=2")
    line = CPU_BUILD + "is built for CPUs"
    done = lottery(*short)
    assert done.code == 0
    assert f"{line}; the CPU is used, many times slower" in done.err
    asked = lottery(*short, "trainer=cpu", "output_dir=again")
    assert "a GPU is here" not in asked.err
    refused = lottery(*short, "trainer=gpu")
    assert refused.code == 2
    assert refused.err == f"error: trainer.accelerator=gpu: {line}; accepted: cpu, auto\n"


def test_a_task_that_sees_its_own_gpu_alone(in_torch: pytest.MonkeyPatch) -> None:
    """Two nodes with two GPUs each: to Lightning, each of the four tasks is a node of its own."""
    trainer = settings_of("trainer=ddp", "trainer.num_nodes=2").trainer
    task = ProcessRank(rank=3, local_rank=1, node=1, processes=4)
    device = build_device(trainer, task)
    assert (device.num_devices, device.num_nodes, device.index) == (1, 4, 0)
    in_torch.setattr(torch.cuda, "device_count", lambda: 2)
    device = build_device(trainer, task)
    assert (device.num_devices, device.num_nodes, device.index) == (2, 2, 1)
    in_torch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"^trainer.devices=2: at most 1, the GPUs here$"):
        build_device(replace(trainer, num_nodes=1), ProcessRank())


@pytest.mark.usefixtures("in_torch")
@pytest.mark.parametrize(("asked", "tf32"), [("false", False), ("true", True)])
def test_a_gpu_computes_as_asked_before_its_first_product(asked: str, tf32: bool) -> None:
    """PyTorch's own choice is TF32 in convolutions and IEEE in other products."""
    build_device(settings_of(f"trainer.tf32={asked}").trainer, ProcessRank())
    assert torch.backends.cudnn.allow_tf32 is tf32
    assert torch.backends.cuda.matmul.allow_tf32 is tf32
    # by both of torch's names
    assert (torch.backends.cudnn.conv.fp32_precision == "tf32") is tf32
    assert (torch.backends.cuda.matmul.fp32_precision == "tf32") is tf32
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_batchnorm_in_bfloat16_is_named(lottery: Lottery) -> None:
    """Steps of a tenth of the way are then lost when 2 % of the way are left."""
    narrow = lottery("dry_run=true", "model=resnet_20", "trainer.precision=bf16-true")
    assert "BatchNorm's running averages have 8 bits and stop moving" in narrow.out
    mixed = lottery("dry_run=true", "model=resnet_20", "trainer.precision=bf16-mixed")
    assert "running averages" not in mixed.out
