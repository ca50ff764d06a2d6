"""What a training asks of a GPU, counted by the emulated one: kernels, and waits of the host."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lottery.config import ProcessRank
from lottery.training.evaluation import Evaluator
from lottery.training.module import LotteryModule
from tests.helpers.gpu_runs import train
from tests.helpers.gpus import Gpus
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_cifar import shrink_cifar, write_cifar

# of a step; cuDNN adds one to three for each convolution, for its bias and its memory layout
LAUNCHES = [
    (25, ("model=lenet_300_100",)),
    (192, ("model=resnet_20", "dataset=cifar10", "dataset.augment=true")),
]
MORE = 10  # launches that a change adds before this test says so
SHORT, LONG = 2, 7  # steps of blocks


@pytest.fixture
def counting(gpus: Gpus) -> Gpus:
    """Skip the test on a real GPU, which counts nothing."""
    if not gpus.emulated:
        pytest.skip("only the emulated GPU counts")
    return gpus


@dataclass(frozen=True)
class Block:
    """What a block of steps asked of the GPU."""

    steps: int
    launches: int
    waits: int
    waits_after: int  # to evaluate where it ends


def _count(process: ProcessRank, folder: Path, *overrides: str) -> list[Block]:
    found: list[Block] = []
    make_steps, end_block = LotteryModule.training_step, Evaluator.on_train_batch_end
    ops = torch.ops.emulated_gpu

    def training_step(module: LotteryModule, block: Tensor, block_idx: int) -> Any:
        waits, launches = ops.num_waits(), ops.num_launches()
        result = make_steps(module, block, block_idx)
        waits, launches = ops.num_waits() - waits, ops.num_launches() - launches
        found.append(Block(len(block), launches, waits, waits_after=0))
        return result

    def on_train_batch_end(*arguments: Any) -> None:
        waits = ops.num_waits()
        end_block(*arguments)
        found[-1] = replace(found[-1], waits_after=ops.num_waits() - waits)

    LotteryModule.training_step = training_step
    Evaluator.on_train_batch_end = on_train_batch_end
    with pytest.MonkeyPatch.context() as patch:
        shrink_cifar(patch)
        asked = ("trainer=gpu", "trainer.graph=false", "rounds=0")
        train(process, folder, *asked, *overrides)
    return found


@pytest.mark.parametrize(("expected", "overrides"), LAUNCHES)
def test_what_steps_and_evaluations_ask_of_a_gpu(
    counting: Gpus, tmp_path: Path, expected: int, overrides: tuple[str, ...]
) -> None:
    """A block waits once, for a loss that is not finite; an evaluation once for each split.

    The network at a new minimum stays on the GPU.
    """
    write_cifar(tmp_path)
    data = (f"dataset.root={tmp_path}", "dataset.batch_size=4", f"evaluation.every={LONG}")
    steps = (f"trainer.block={LONG}", f"iterations={2 * LONG + SHORT}")
    (blocks,) = on_ranks(1, _count, tmp_path, *data, *steps, *overrides, gpus=counting)
    first, long, short = blocks  # the first one waits for the indices of its first batch, too
    assert [block.waits for block in blocks] == [2, 1, 1]
    assert first.waits_after == 3  # the first evaluation is a minimum
    launches = (long.launches - short.launches) / (long.steps - short.steps)
    assert abs(launches - expected) < MORE, f"{launches:g} launches a step"
