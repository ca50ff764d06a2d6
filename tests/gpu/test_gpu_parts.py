"""What a GPU refuses, and what the host waits for; the emulated one is as strict as a real one."""

from pathlib import Path
from typing import Any

import torch

from lottery.config import ProcessRank
from lottery.doctor.machine import check_precision
from tests.helpers.gpu_runs import train
from tests.helpers.gpus import Gpus
from tests.helpers.ranks import on_ranks


def _refused(process: ProcessRank) -> list[str]:
    device = torch.device("cuda", 0)
    there = torch.ones(2, 2, device=device)

    def message(call: Any) -> str:
        try:
            call()
        except RuntimeError as error:
            return str(error)
        return "accepted"

    return [
        message(lambda: there @ torch.ones(2, 2)),
        message(lambda: torch.nn.Linear(2, 2)(there)),
        message(lambda: torch.rand(2, device=device, generator=torch.Generator())),
        message(lambda: torch.ones(2)[there[0].long()]),
        message(lambda: there * torch.tensor(2.0)),  # a single number may be on the CPU
        message(lambda: there[torch.tensor([1])]),  # and so may indices
    ]


def test_what_a_gpu_refuses(gpus: Gpus) -> None:
    (messages,) = on_ranks(1, _refused, gpus=gpus)
    for message in messages[:2]:
        assert "Expected all tensors to be on the same device" in message
    assert "Expected a 'cuda' device type for generator" in messages[2]
    assert "on the same device" in messages[3]
    assert messages[4:] == ["accepted"] * 2


def _generators(process: ProcessRank) -> list[list[float]]:
    torch.manual_seed(3)
    here, there = torch.rand(2), torch.rand(2, device="cuda")
    state = torch.cuda.get_rng_state()
    torch.rand(9)
    second = torch.rand(2, device="cuda")
    torch.cuda.set_rng_state(state)
    again = torch.rand(2, device="cuda")
    return [numbers.tolist() for numbers in (here, there, second, again)]


def test_a_gpu_has_a_generator_of_its_own(gpus: Gpus) -> None:
    ((here, there, second, again),) = on_ranks(1, _generators, gpus=gpus)
    assert second == again
    assert there != second
    assert (here == there) == gpus.emulated  # CUDA draws other numbers from one seed


def _train_on_cpu(process: ProcessRank, folder: Path) -> None:
    torch.cuda.get_rng_state = torch.cuda.set_rng_state = None  # a call would be an error
    late = ("reinit.to=2", "dataset.order=fixed", "checkpoint.every_seconds=0.001")
    train(process, folder, "trainer=cpu", *late)


def test_a_run_on_the_cpu_leaves_the_gpu_alone(gpus: Gpus, tmp_path: Path) -> None:
    """To ask for the GPU's generator would start CUDA, which takes seconds and memory."""
    assert on_ranks(1, _train_on_cpu, tmp_path, gpus=gpus) == [None]


def _precision(process: ProcessRank) -> tuple[str, str]:
    found = check_precision()
    return found.status, found.text


def test_the_doctor_says_how_a_run_computes(gpus: Gpus) -> None:
    ((status, text),) = on_ranks(1, _precision, gpus=gpus)
    assert status == "pass"
    assert text.startswith("32-true is IEEE single precision")
