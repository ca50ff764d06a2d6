"""What each round has cost to train, alone and with everything that led to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lottery.measure.train_flops import (
    Segment,
    count_train_flops,
    static_segment,
    trained_flops,
)
from lottery.record.opened_run import OpenedRun
from lottery.record.schema import Row


@dataclass(frozen=True)
class TrainCost:
    """Counts the FLOPs of training: the columns `train_flops` and those after it.

    Args:
        batch_size: examples in each step.
        num_steps: steps of a whole training, T.
        rewind_step: the step k of the dense training at which later rounds start; 0 is none.
        builds_on_training: whether later rounds need the training of the round before them, for
            their masks or for their weights.
        needs_dense_round: whether they need that of round 0, too; a round that is pruned while it
            trains does not.
        examples_scored: passes of one example, forward and backward, that make a round's masks.
        trunk: the run that masks are copied from.
    """

    batch_size: int
    num_steps: int
    rewind_step: int
    builds_on_training: bool
    needs_dense_round: bool
    examples_scored: int = 0
    trunk: OpenedRun | None = None

    def columns(
        self,
        number: int,
        segments: Sequence[Segment],
        counts: Mapping[str, Any],
        rows: Sequence[Row],
    ) -> dict[str, int | float]:
        """Return the columns of a round; `rows` are those of the finished rounds.

        `train_flops_total` is missing if an older version has trained what it would add up.
        """
        trained = count_train_flops(segments, self.batch_size)
        before = [row for row in rows if row["round"] < number]
        found = self._found(number, counts, before) if number else 0
        dense = self._dense_flops(counts, self.num_steps)
        if found is None:
            return {"train_flops": trained}
        return {
            "train_flops": trained,
            "train_flops_total": found + trained,
            "dense_trainings": (found + trained) / dense,
        }

    def _found(self, number: int, counts: Mapping[str, Any], before: Sequence[Row]) -> int | None:
        """Return what the masks and the start of a later round have cost."""
        if self.trunk is not None:
            return self._found_by_trunk(number, counts, before)
        last = before[-1]
        if "train_flops_total" not in last:
            return None
        scoring = count_train_flops([self._scoring(counts, last)], batch_size=1)
        if last["round"] == 0 and not self.needs_dense_round:
            return self._dense_flops(counts, self.rewind_step) + scoring
        if self.builds_on_training:
            return last["train_flops_total"] + scoring
        return last["train_flops_total"] - last["train_flops"] + scoring

    def _found_by_trunk(
        self, number: int, counts: Mapping[str, Any], before: Sequence[Row]
    ) -> int | None:
        """Return what copied masks have cost, and this run's own rounds where they are needed.

        Masks and start mostly come from one dense training, which counts once.
        """
        assert self.trunk is not None
        theirs = self.trunk.record(number)["row"]
        ours = before if self.builds_on_training else []
        if any("train_flops_total" not in row for row in (theirs, *ours)):
            return None
        masks = theirs["train_flops_total"]
        if not self.trunk.training_made_masks(number):
            masks -= theirs["train_flops"]
        dense = ours[0]["train_flops"] if ours else self._dense_flops(counts, self.rewind_step)
        later = sum(row["train_flops"] for row in ours[1:])
        return masks + later + (dense if masks < dense else 0)

    def _scoring(self, counts: Mapping[str, Any], last: Row) -> Segment:
        frozen = counts["flops"] - trained_flops(counts, "flops")
        return static_segment(self.examples_scored, last["flops_remaining"] - frozen)

    def _dense_flops(self, counts: Mapping[str, Any], steps: int) -> int:
        whole = static_segment(steps, trained_flops(counts, "flops"))
        return count_train_flops([whole], self.batch_size)
