"""What a run of iterative magnitude pruning is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lottery.dynamic import Dynamic, Moving
from lottery.imp.pruning import Pruning
from lottery.imp.rounds import Rounds
from lottery.imp.storage import Storage
from lottery.imp.train_cost import TrainCost
from lottery.masks import Masks
from lottery.models.state import Start, State
from lottery.record.run_dir import RunDir
from lottery.record.schema import Row, Trained
from lottery.reinit import Reinit
from lottery.training import EarlyBird, Outcome


class Fit(Protocol):
    """Trains one round."""

    def __call__(
        self,
        round_number: int,
        start: Start,
        masks: Masks,
        keep_step: int | None,
        early_bird: EarlyBird | None = None,
        moving: Moving | None = None,
    ) -> Outcome:
        """Train from `start` under `masks`, and keep the state at `keep_step`.

        `moving` moves the masks meanwhile.
        """
        ...


@dataclass(frozen=True)
class Imp:
    """A run, ready to start."""

    rounds: Rounds
    num_steps: int  # of a whole training, T
    fresh: Callable[..., State]  # draws a random network for the purpose that its arguments name
    fit: Fit
    pruning: Pruning
    reinit: Reinit
    storage: Storage
    count: Callable[[Masks], dict[str, Any]]  # counts parameters and operations under masks
    dynamic: Dynamic | None = None  # moves the masks of pruned rounds while they train
    cost: TrainCost | None = None  # None where batches or FLOPs are unknown
    place: Trained | None = None  # where the rounds are trained, for their records

    @property
    def run_dir(self) -> RunDir:
        """The run's folder."""
        return self.storage.run_dir

    def rows(self) -> list[Row]:
        """Read the rows of the rounds asked for that are finished."""
        return self.rounds.rows(self.storage.rows())
