"""The stability analyses of settings, by round and step; the pairs of all seeds together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary

if TYPE_CHECKING:
    import pandas as pd

STABLE_BELOW = 0.02  # instability of the test error that Frankle et al. (2020) call stable
SPLIT_TITLES = {"train": "training split", "test": "test split"}


@dataclass(frozen=True)
class AnalysedStep:
    """Pairs of copies that were trained from one step of one round of a setting.

    Args:
        setting: the setting.
        label: the setting's label; "" if there is only one setting.
        round: the round.
        step: the step k at which the copies part, on the run's clock.
        pairs: rows of pairs.csv, of all seeds.
        points: rows of points.csv, of all seeds.
        untrained: rows of untrained.csv of this round, of all seeds.
    """

    setting: Setting
    label: str
    round: int
    step: int
    pairs: "pd.DataFrame"
    points: "pd.DataFrame"
    untrained: "pd.DataFrame"

    @property
    def remaining(self) -> float:
        """Share of weights left."""
        return float(self.pairs["remaining"].iloc[0])

    def barrier(self, split: str) -> Summary:
        """Summarise the error barriers of the pairs."""
        return self.setting.summarise(list(self.pairs[f"barrier_{split}"]))

    def error(self, split: str) -> dict[float, Summary]:
        """Return the error by alpha, at those alphas where every pair was measured."""
        points = self.points[self.points["split"] == split]
        table = points.pivot_table(
            values="error", index="alpha", columns=["seed", "pair"]
        ).dropna()
        return {row[0]: self.setting.summarise(row[1:]) for row in table.itertuples(name=None)}


def find_analysed_steps(settings: Sequence[Setting]) -> list[AnalysedStep]:
    """Return everything that was analysed, by setting, round and step."""
    return [
        step
        for setting in settings
        for step in _steps_of(setting, setting.label if len(settings) > 1 else "")
    ]


def _steps_of(setting: Setting, label: str) -> Iterator[AnalysedStep]:
    analysed = [(run.seed, run.stability) for run in setting.runs if run.stability is not None]
    if not analysed:
        return
    import pandas as pd

    pairs, points, untrained = (
        pd.concat(getattr(tables, name).assign(seed=seed) for seed, tables in analysed)
        for name in ("pairs", "points", "untrained")
    )
    for (number, step), group in pairs.groupby(["round", "step"]):
        yield AnalysedStep(
            setting=setting,
            label=label,
            round=int(number),
            step=int(step),
            pairs=group,
            points=points[(points["round"] == number) & (points["step"] == step)],
            untrained=untrained[untrained["round"] == number],
        )


def batch_norm_note(steps: Sequence[AnalysedStep]) -> str:
    """Return a sentence about BatchNorm, for captions; "" if there is nothing to say."""
    recomputed = any("recomputed" in set(step.pairs.get("batch_norm", ())) for step in steps)
    note = " BatchNorm statistics are recomputed over the training split at every point."
    return note if recomputed else ""
