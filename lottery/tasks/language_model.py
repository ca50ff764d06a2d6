"""The next token at each position."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lottery.data import DataError, Splits
from lottery.record.score import Score
from lottery.tasks.interface import Loss

MOST_NATS = 700  # exp of more is no float


def cross_entropy_of_tokens(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of tokens (batch, positions) from logits (batch, positions, tokens)."""
    return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


@dataclass(frozen=True)
class LanguageModel:
    """A logit for each token of the vocabulary at each position; the score is the perplexity.

    The perplexity is exp of the mean cross entropy of a token, as papers state it: less is better,
    and guessing gives the size of the vocabulary. Because of it, no other loss is accepted. A
    further metric is `accuracy`, the share of positions at which the next token has the highest
    logit.
    """

    score: ClassVar[Score] = Score("perplexity", higher_is_better=False, is_share=False)
    needs_outputs: ClassVar[bool] = False  # a block's logits could take gigabytes

    def prepare(self, splits: Splits) -> Splits:
        """Return the splits if inputs and targets are tokens."""
        number = splits.num_classes
        if number is None:
            raise DataError("it has no number of tokens in its targets (num_classes)")
        for name, split in splits.by_name().items():
            targets = split.targets
            if not split.has_tokens or targets.shape != split.inputs.shape or targets.dim() != 2:
                raise DataError(
                    f"the {name} split has inputs {tuple(split.inputs.shape)} and targets "
                    f"{tuple(targets.shape)}: tokens (examples, positions) expected in both"
                )
            if targets.dtype != torch.long:
                raise DataError(f"the {name} split's targets are {targets.dtype}, no torch.long")
            if int(targets.min()) < 0 or int(targets.max()) >= number:
                raise DataError(f"the {name} split has a target outside 0 to {number - 1}")
        return splits

    def output_shape(self, splits: Splits) -> tuple[int, ...]:
        """Return (positions, tokens)."""
        assert splits.num_classes is not None  # `prepare` has checked it
        return (*splits.train.targets.shape[1:], int(splits.num_classes))

    def losses(self, splits: Splits) -> Mapping[str, Loss]:
        """Return `cross_entropy`, the mean over all positions."""
        return {"cross_entropy": cross_entropy_of_tokens}

    def parts(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return no numbers: the mean loss is enough."""
        return torch.zeros(len(targets), 0, device=targets.device)

    def score_of(self, sums: Tensor, loss: float, examples: int) -> float:
        """Return the perplexity."""
        return math.exp(min(loss, MOST_NATS))

    def details(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return each example's share of right tokens, (batch, 1)."""
        return (outputs.argmax(2) == targets).double().mean(1, keepdim=True)

    def further(self, details: Tensor, targets: Tensor, splits: Splits) -> dict[str, float]:
        """Return `accuracy`, as a fraction."""
        return {"accuracy": float(details.mean())}
