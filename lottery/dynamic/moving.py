"""The masks of one round, moved by a dynamic and checked at every update."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lottery.dynamic.interface import Dynamic, Moment, Quota, Span, Stage
from lottery.errors import LotteryError
from lottery.masks import Masks, count_ones
from lottery.pruning import IN_ALL, Keep, Trained
from lottery.record.schema import Move
from lottery.tensors import Tensors


class WrongMove(LotteryError):
    """An update of masks has not done what the dynamic says."""


@dataclass(frozen=True)
class Moving:
    """How the masks of one round move.

    Args:
        round: the number of the round.
        dynamic: moves them.
        span: the round's steps.
        start: masks at the beginning of the round.
        target: weights that are left at its end, by layer or `IN_ALL`.
        now: makes what a criterion looks at, from the step, the weights and the masks.
        prune: prunes to some counts by the run's criterion and scope.
        num_steps: steps of a whole training, which its schedule of the learning rate is made for.
    """

    round: int
    dynamic: Dynamic
    span: Span
    start: Masks
    target: Keep
    now: Callable[[int, Tensors, Masks], Trained]
    prune: Callable[[Trained, Keep], Masks]
    num_steps: int

    @property
    def steps(self) -> Sequence[int]:
        """The steps after which the masks move."""
        return self.dynamic.steps(self.span)

    @property
    def settled(self) -> int:
        """The step from which on they stay."""
        return self.dynamic.settled(self.span)

    def move(
        self, step: int, *, weights: Tensors, masks: Masks, gradients: Callable[[], Tensors]
    ) -> Masks:
        """Return the masks after the update of a step; `gradients` computes dense gradients.

        Raises:
            WrongMove: other numbers of weights were dropped or grown than the dynamic says.
        """
        moment = Moment(
            stage=self.stage(step, count_ones(masks)),
            trained=self.now(step, weights, masks),
            prune=self.prune,
            gradients=gradients,
            start=self.start,
        )
        moved = self.dynamic(moment)
        self.check(step, count_ones(masks), moves_of(self.round, step, masks, moved))
        return moved

    def stage(self, step: int, alive: Mapping[str, int]) -> Stage:
        """Return the counts when masks are moved."""
        sizes = {name: mask.numel() for name, mask in self.start.items()}
        start = count_ones(self.start)
        return Stage(step, self.span, sizes=sizes, start=start, alive=alive, target=self.target)

    def check(self, step: int, alive: Mapping[str, int], moves: Sequence[Move]) -> None:
        """Check the rows of an update against the dynamic's quota and the counts before it."""
        quota = self.dynamic.quota(self.stage(step, alive))
        found = Quota(
            _counted({move["layer"]: move["dropped"] for move in moves}, quota.dropped),
            _counted({move["layer"]: move["grown"] for move in moves}, quota.grown),
        )
        if found != quota:
            raise WrongMove(
                f"round {self.round}: the update after step {step} has dropped {found.dropped} "
                f"and grown {found.grown}; {quota.dropped} and {quota.grown} expected"
            )
        for move in moves:
            left = alive[move["layer"]] - move["dropped"] + move["grown"]
            if move["remaining"] != left:
                raise WrongMove(
                    f"round {self.round}: after step {step} {move['layer']} has "
                    f"{move['remaining']} weights left, {left} expected"
                )


def moves_of(number: int, step: int, before: Masks, after: Masks) -> list[Move]:
    """Count what an update has dropped and grown, by layer: rows of dynamic.csv."""
    return [
        {
            "round": number,
            "step": step,
            "layer": name,
            "dropped": int((mask & ~after[name]).sum()),
            "grown": int((after[name] & ~mask).sum()),
            "remaining": int(after[name].sum()),
        }
        for name, mask in before.items()
    ]


def _counted(by_layer: Keep, expected: Keep) -> Keep:
    """Return counts by layer, or in all if that is what is expected."""
    return {IN_ALL: sum(by_layer.values())} if IN_ALL in expected else by_layer
