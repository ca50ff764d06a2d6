"""A loss that is no longer a number: the run stops with a hint, and finished rounds stay."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import TINY, Done, Lottery

# A loss of the user's that is NaN from some moment on
LOSS = """
import torch

broken = False

def loss(logits, targets):
    value = torch.nn.functional.cross_entropy(logits, targets)
    return value * float("nan") if broken and torch.is_grad_enabled() else value
"""


def _status(run: Path) -> dict[str, str]:
    entry = json.loads((run / "run.json").read_text())
    return {"status": entry["status"], "message": entry["message"]}


def _assert_stopped(done: Done, *says: str) -> None:
    assert done.code == 1
    assert done.out == ""
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.err
    assert "Traceback" not in done.err
    for text in says:
        assert text in errors[0]


def test_a_learning_rate_far_too_high(lottery: Lottery, folder: Path) -> None:
    done = lottery(*TINY, "optimizer=sgd", "optimizer.lr=1e30")
    _assert_stopped(done, "round 0", "step 2", "nan", "optimizer.lr")
    (run,) = folder.glob("outputs/*/seed_0")
    assert _status(run)["status"] == "failed"
    assert "round 0, step 2" in _status(run)["message"]


@pytest.mark.parametrize("block", [1, 50])
def test_finished_rounds_stay_when_a_later_one_diverges(
    lottery: Lottery, write_module: Callable[[str, str], Path], block: int
) -> None:
    write_module("user_loss", LOSS)
    settings = (*TINY, "model.loss={_target_:user_loss.loss}", f"trainer.block={block}")
    done = lottery(*settings, "rounds=0")
    assert done.code == 0, done.err
    run = done.run
    before = (run / "results.csv").read_bytes()

    import user_loss  # type: ignore[import-not-found]

    user_loss.broken = True
    _assert_stopped(lottery(*settings), "round 1", "step 1", "nan")
    assert (run / "results.csv").read_bytes() == before
    assert _status(run)["status"] == "failed"

    user_loss.broken = False
    again = lottery(*settings)
    assert again.code == 0, again.err
    assert (run / "results.csv").read_bytes().startswith(before)
    assert _status(run) == {"status": "finished", "message": ""}
