"""How many CPU threads a run computes with, if nobody says: a rule, because it affects bits."""

from pathlib import Path

import pytest
import torch

from lottery.config import device, prepare
from lottery.models import LeNet5, LeNet300100
from lottery.training import Device
from tests.conftest import TINY
from tests.helpers.experiments import composed

DIGITS, MNIST = (1, 8, 8), (1, 28, 28)
FLOPS_OF_LENET = 6 * (64 * 300 + 300 * 100 + 100 * 10)  # per example of digits, with backward


def _device(num_devices: int = 1) -> Device:
    return Device(
        accelerator="cpu",
        precision="32-true",
        deterministic=True,
        compile=False,
        block=50,
        num_devices=num_devices,
    )


def test_small_networks_get_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", 8)
    digits, mnist = LeNet300100(DIGITS, 10), LeNet300100(MNIST, 10)
    lenet_5 = LeNet5(MNIST, 10)  # convolutions gain from a second thread
    step = 6 * 266_200  # FLOPs of LeNet-300-100's step on one image of MNIST
    table = [
        (digits, 6 * 50_200 * 60, 1, 1),
        (digits, 10**9, 1, 1),
        (mnist, step * 60, 1, 1),
        (mnist, step * 1000, 1, 8),
        (mnist, step * 1000, 2, 4),
        (lenet_5, 10**6, 1, 8),
    ]
    for network, flops, num_devices, threads in table:
        made = _device(num_devices)
        assert device.choose_threads(None, network, made, lambda f=flops: f) == threads
    assert device.choose_threads(None, mnist, _device()) == 8  # FLOPs that nobody knows
    assert device.choose_threads(3, digits, _device(), lambda: 0) == 3


@pytest.mark.parametrize(("most", "threads"), [(0, 2), (1, 1)])
def test_a_run_counts_its_networks_step(
    folder: Path, monkeypatch: pytest.MonkeyPatch, most: int, threads: int
) -> None:
    monkeypatch.setattr(device, "DEFAULT_THREADS", 2)
    monkeypatch.setattr(device, "SMALL_NETWORK", 0)
    monkeypatch.setattr(device, "SMALL_STEP", 60 * FLOPS_OF_LENET + most)
    prepare(composed(*TINY, "trainer=cpu", "trainer.threads=null"), folder / "run")
    assert torch.get_num_threads() == threads
