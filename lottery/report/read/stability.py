"""The stability analyses of settings, by round and step: a seed's pairs first, then the seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lottery.record.opened_run import OpenedRun
from lottery.report.read.csv_files import read_csv
from lottery.report.read.runs import read_each
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import Summary

if TYPE_CHECKING:
    import pandas as pd

STABLE_BELOW = 0.02  # instability of the test error that Frankle et al. (2020) call stable
SPLIT_TITLES = {"train": "training split", "test": "test split"}
REPAIR = "remove it and run lottery-stability again"
# The columns that a report needs, with their types; of the first ones no cell may be empty.
WHOLE = {"round": "int64", "step": "int64", "pair": "int64"}
PAIRS = {**WHOLE, **dict.fromkeys(("remaining", "barrier_train", "barrier_test"), "float64")}
POINTS = {**WHOLE, "alpha": "float64", "error": "float64", "split": "str"}
UNTRAINED = {"round": "int64", "weights": "str", "split": "str"}  # and the score by its name
MAY_BE_EMPTY = dict.fromkeys(("ends_error_test", "l2", "angle", "l2_from_dense"), "float64")


@dataclass(frozen=True)
class AnalysedStep:
    """Pairs of copies that were trained from one step of one round of a setting."""

    setting: Setting
    label: str  # of the setting; "" if there is only one setting
    round: int
    step: int  # the step k at which the copies part, on the run's clock
    # The rows of pairs.csv, points.csv and (of this round) untrained.csv, of all seeds
    pairs: "pd.DataFrame"
    points: "pd.DataFrame"
    untrained: "pd.DataFrame"

    @property
    def remaining(self) -> float:
        """Share of weights left."""
        return float(self.pairs["remaining"].iloc[0])

    @property
    def seeds(self) -> list[int]:
        """The seeds that were analysed."""
        return sorted(map(int, self.pairs["seed"].unique()))

    def barrier(self, split: str) -> Summary:
        """Summarise the error barriers: of several seeds by their means, of one by its pairs."""
        barriers = self.pairs[f"barrier_{split}"]
        if len(self.seeds) > 1:
            barriers = barriers.groupby(self.pairs["seed"]).mean()
        return self.setting.summarise(list(barriers))

    def error(self, split: str) -> dict[float, Summary]:
        """Return the error by alpha, at those alphas where every pair was measured."""
        points = self.points[self.points["split"] == split]
        table = points.pivot_table(
            values="error", index="alpha", columns=["seed", "pair"]
        ).dropna()
        if len(self.seeds) > 1:
            table = table.T.groupby(level="seed").mean().T
        return {row[0]: self.setting.summarise(row[1:]) for row in table.itertuples(name=None)}

    def start(self, weights: str) -> float | None:
        """Return the mean test score of the round's start, `masked` or `dense`, if it is known."""
        table = self.untrained
        rows = table[(table["split"] == "test") & (table["weights"] == weights)]
        return float(rows[self.setting.score.metric].mean()) if len(rows) else None


def find_analysed_steps(settings: Sequence[Setting]) -> tuple[list[AnalysedStep], list[str]]:
    """Return what was analysed, by setting, round and step; and a line per unreadable analysis."""
    steps: list[AnalysedStep] = []
    problems: list[str] = []
    for setting in settings:
        analysed = [run for run in setting.runs if run.folder.stability.pairs_csv.exists()]
        tables, damaged = read_each(_read_tables, analysed)
        problems += damaged
        steps += _steps_of(setting, setting.label if len(settings) > 1 else "", tables)
    return steps, problems


def _read_tables(run: OpenedRun) -> "list[pd.DataFrame]":
    folder = run.folder.stability
    untrained = {**UNTRAINED, run.score.metric: "float64"}
    tables = [
        read_csv(folder.pairs_csv, whole=PAIRS, may_be_empty=MAY_BE_EMPTY, repair=REPAIR),
        read_csv(folder.points_csv, whole=POINTS, may_be_empty={}, repair=REPAIR),
        read_csv(folder.untrained_csv, whole=untrained, may_be_empty={}, repair=REPAIR),
    ]
    return [table.assign(seed=run.seed) for table in tables]


def _steps_of(
    setting: Setting, label: str, analysed: "Sequence[list[pd.DataFrame]]"
) -> Iterator[AnalysedStep]:
    if not analysed:
        return
    import pandas as pd

    pairs, points, untrained = (pd.concat(tables) for tables in zip(*analysed, strict=True))
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
    if any("recomputed" in set(step.pairs.get("batch_norm", ())) for step in steps):
        return " BatchNorm statistics are recomputed over the training split at every point."
    return ""
