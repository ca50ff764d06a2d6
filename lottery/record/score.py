"""The score of a run: what its columns `val` and `test` measure, and which direction is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lottery.record.schema import ScoreJson


@dataclass(frozen=True)
class Score:
    """A metric as results show it.

    Attributes:
        metric: its name, as on a figure's axis: "accuracy", "RMSE".
        higher_is_better: the direction.
        is_share: whether it is a fraction in [0, 1] and is shown in percent.
    """

    metric: str = "accuracy"
    higher_is_better: bool = True
    is_share: bool = True

    def gain(self, value: float, reference: float) -> float:
        """Return by how much a value is better than another; negative if it is worse.

        Example:
            >>> Score("RMSE", higher_is_better=False, is_share=False).gain(2.0, reference=2.5)
            0.5
        """
        return value - reference if self.higher_is_better else reference - value

    @property
    def direction(self) -> str:
        """Which way a value gets better, in words: "higher is better" or "lower is better"."""
        return f"{'higher' if self.higher_is_better else 'lower'} is better"

    @property
    def unit(self) -> str:
        """The unit of shown values: "%", or "" of a plain number."""
        return "%" if self.is_share else ""

    @property
    def gain_unit(self) -> str:
        """The unit of gains and margins: percentage points of a share, else the metric itself."""
        return "points" if self.is_share else self.metric

    def shown(self, value: float) -> float:
        """Return a value in the unit: in percent if it is a share."""
        return 100 * value if self.is_share else value

    def format(self, value: float | None) -> str:
        """Return a value as text, without the unit; "-" for None and NaN.

        Example:
            >>> Score().format(0.975), Score("RMSE", False, is_share=False).format(12.34567)
            ('97.50', '12.35')
        """
        if value is None or value != value:
            return "-"
        return f"{100 * value:.2f}" if self.is_share else f"{value:.4g}"

    def error(self, value: float) -> float:
        """Return how bad a value is: 1 - value of a share, where more is better.

        Example:
            >>> Score().error(0.75), Score("RMSE", False, is_share=False).error(2.0)
            (0.25, 2.0)
        """
        if not self.higher_is_better:
            return value
        return 1 - value if self.is_share else -value

    def to_json(self) -> ScoreJson:
        """Return the entry `score` of a JSON file, which lacks it if the score is accuracy."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "is_share": self.is_share,
        }


ACCURACY = Score()


def score_of(entry: Mapping[str, Any]) -> Score:
    """Return the score that run.json or another file names; those of older versions name none."""
    found = entry.get("score")
    if not found:
        return ACCURACY
    return Score(found["metric"], found["higher_is_better"], is_share=found["is_share"])
