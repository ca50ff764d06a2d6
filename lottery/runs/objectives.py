"""What a search makes large or small: columns of results.csv in a job's last round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lottery.config.rules import show
from lottery.errors import ConfigError
from lottery.record.score import Score

IN_THE_SCORE = ("val", "val_last")
MORE = ("val_f1", "val_precision", "val_recall")
LESS = ("remaining", "remaining_all", "params_remaining", "flops_remaining", "val_loss", "ES")
ACCEPTED = (*IN_THE_SCORE, *MORE, *LESS)


@dataclass(frozen=True)
class Objective:
    """A column, and which of its values are better."""

    column: str
    higher_is_better: bool

    @property
    def direction(self) -> str:
        """Optuna's word for it."""
        return "maximize" if self.higher_is_better else "minimize"


def check_objectives(columns: Any) -> list[str]:
    """Check `hydra.sweeper.objectives`; what the test set measures is refused."""
    line = f"hydra.sweeper.objectives={show(columns)}: "
    texts = [one for one in columns if isinstance(one, str)] if isinstance(columns, list) else []
    if not texts or texts != columns or len(set(texts)) < len(texts):
        raise ConfigError(f"{line}a list of different columns, [val] or [val,remaining]")
    for column in texts:
        if column not in ACCEPTED:
            known = ("test", "test_last", "f1", "precision", "recall")
            why = "test data choose nothing; " if column in known else ""
            raise ConfigError(f"{line}{why}accepted: {', '.join(ACCEPTED)}")
    return texts


def check_without_validation(columns: Sequence[str]) -> None:
    """Check the columns of runs with dataset.val_share=0: those of validation are empty."""
    for column in columns:
        if column.startswith("val") or column == "ES":
            sizes = [c for c in LESS if "remaining" in c]
            raise ConfigError(
                f"hydra.sweeper.objectives={show(list(columns))}: dataset.val_share=0 leaves no "
                f"validation data; accepted: {', '.join(sizes)}"
            )


def directed(columns: Sequence[str], score: Score) -> list[Objective]:
    """Return the columns with their directions: `val` has that of the score."""
    return [
        Objective(c, score.higher_is_better if c in IN_THE_SCORE else c in MORE) for c in columns
    ]


def values_of(
    row: Mapping[str, Any] | None, objectives: Sequence[Objective]
) -> list[float] | None:
    """Return the objectives of a job's last round; None if one is not there."""
    values = [(row or {}).get(objective.column) for objective in objectives]
    numbers = [float(value) for value in values if value is not None and isfinite(value)]
    return numbers if len(numbers) == len(objectives) else None
