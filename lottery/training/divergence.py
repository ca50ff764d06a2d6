"""Trainings whose loss is no number any more."""

import math

import torch
from torch import Tensor

from lottery.distributed import gather, max_over_ranks
from lottery.errors import LotteryError


class Diverged(LotteryError):
    """The training loss is no longer a finite number."""


def check_losses(losses: Tensor, first_step: int) -> None:
    """Check the losses of the steps after `first_step`; all ranks end together.

    Raises:
        Diverged: one is no finite number.
    """
    finite = torch.isfinite(losses)
    (diverged,) = max_over_ranks([int(not finite.all())])
    if diverged:
        bad = [(first_step + 1 + step, loss) for step, loss in enumerate(losses.tolist())]
        seen = [(step, loss) for step, loss in bad if not math.isfinite(loss)][:1]
        step, loss = min(entry for entries in gather(seen) for entry in entries)
        raise Diverged(f"step {step}: the training loss is {loss}")
