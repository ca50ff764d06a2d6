"""What a GPU refuses, and what the host waits for; the emulated one is as strict as a real one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.config import ProcessRank
from lottery.data import CropAndFlip, Scaling, Split, Splits
from lottery.data.placement import placed
from lottery.doctor.machine import check_precision
from lottery.tensors import send
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


def _placed(process: ProcessRank, free: int) -> tuple[list[str], list[Any], int]:
    """Return where inputs are, batches of each split, and how often the host waited for them."""
    torch.cuda.mem_get_info = lambda device=None: (free, free)
    torch.manual_seed(0)
    pixels = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    targets, rows = torch.arange(20), torch.arange(39, -1, -2)
    images = Split(pixels, targets, Scaling.of([0.5] * 3, [0.25] * 3), rows, CropAndFlip(2))
    numbers = Split(torch.rand(20, 5), targets)
    device = torch.device("cuda", 0)
    there = placed(Splits(images, numbers, numbers), device, torch.float32, on_gpu=None)
    drawn = send(CropAndFlip(2).draw(1, 3, torch.Generator())[0], device)
    waits, found = torch.ops.emulated_gpu.num_waits(), []
    for split in (there.train, there.val):
        chosen = torch.tensor([3, 0, 19])
        on_host = chosen if split.on_host else send(chosen, device)
        found += [split.batch(on_host, drawn), split.batch(slice(4, 7))]
    waited = torch.ops.emulated_gpu.num_waits() - waits
    kinds = [split.inputs.device.type for split in there.by_name().values()]
    assert all(tensor.is_cuda for batch in found for tensor in batch)
    return kinds, [[tensor.tolist() for tensor in batch] for batch in found], waited


def test_data_that_do_not_fit_give_the_same_batches(gpus: Gpus) -> None:
    """The splits have 20 * (3 * 64 + 8) + 2 * 20 * (20 + 8) bytes: half of 10,240."""
    if not gpus.emulated:
        pytest.skip("only the emulated GPU counts the waits")
    (fits,), (too_large,) = (on_ranks(1, _placed, free, gpus=gpus) for free in (10_240, 10_238))
    assert fits[0] == ["cuda"] * 3
    assert too_large[0] == ["cpu"] * 3
    assert too_large[1] == fits[1]
    assert too_large[2] == fits[2] == 0


def _graph_without_room(process: ProcessRank, folder: Path) -> None:
    torch.cuda.mem_get_info = lambda device=None: (1000, 1000)
    train(process, folder, "trainer=gpu", "trainer.graph=true", "iterations=20")


def test_a_graph_is_refused_where_the_data_do_not_fit(gpus: Gpus, tmp_path: Path) -> None:
    """Its copies from the host would be those of the step that was captured."""
    (refusal,) = on_ranks(1, _graph_without_room, tmp_path, gpus=gpus)
    assert str(refusal).startswith("trainer.graph=true: the inputs are in the host's memory, ")


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
