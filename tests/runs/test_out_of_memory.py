"""Too little memory in the middle of a run: one line, nothing lost, the same command goes on."""

import json

import pytest
import torch

from lottery.errors import OutOfMemory, memory_errors
from tests.conftest import TINY, Lottery, WriteModule, result_tables

# What raises each kind, and what the line says of it. 10^15 bytes are on no machine.
KINDS = {
    "torch": ("torch.empty(10**15, dtype=torch.uint8)", "on the CPU: 931322.6 GiB asked for"),
    "numpy": ("np.empty(10**15, dtype=np.uint8)", "on the CPU: 909. TiB asked for"),
    "python": ("bytearray(10**15)", "on the CPU; "),
    "cuda": (
        "raises(torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0'))",
        "on the GPU: 20.00 GiB asked for",
    ),
}
CALLBACK = """
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

def raises(error):
    raise error

class Greedy(pl.Callback):
    def on_train_batch_start(self, trainer, pl_module, *_):
        if list(Path().glob("outputs/*/seed_0/rounds/01")):
            CALL
"""


@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_a_run_in_one_line_and_the_same_command_carries_it_on(
    lottery: Lottery, write_module: WriteModule, kind: str
) -> None:
    call, said = KINDS[kind]
    write_module("greedy", CALLBACK.replace("CALL", call))
    done = lottery(*TINY, "+callbacks.greedy._target_=greedy.Greedy")
    assert done.code == 1
    assert "Traceback" not in done.err
    line = done.err.splitlines()[-1]
    assert line.startswith(f"error: out of memory {said}"), line
    assert "dataset.batch_size" in line
    assert line.endswith("; finished rounds are kept")
    whole = lottery(*TINY, "output_dir=whole")
    (run,) = whole.run.parents[2].glob("outputs/*/seed_0")
    entry = json.loads((run / "run.json").read_text())
    assert (entry["status"], entry["message"][:26]) == ("failed", "OutOfMemory: out of memory")
    again = lottery(*TINY)
    assert (again.code, again.run) == (0, run), again.err
    assert result_tables(run) == result_tables(whole.run)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_what_cuda_says_in_other_words(text: str) -> None:
    with (
        pytest.raises(OutOfMemory, match=r"^out of memory on the GPU; free some"),
        memory_errors(),
    ):
        raise RuntimeError(text)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), memory_errors():
        torch.ones(2, 3) @ torch.ones(2, 3)
