"""A setting: one config with its runs, one per seed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from lottery.record.opened_run import OpenedRun
from lottery.record.rows import best_round
from lottery.record.schema import COLUMNS
from lottery.record.score import Score
from lottery.report.read.pairing import Values, complete, mean_by_round
from lottery.report.read.resolution import one_example
from lottery.report.read.roles import copies, role_of
from lottery.report.read.statistics import Summary, summarise

# The fields of a folder's name that say which option of a config group was chosen
GROUPS = ("dataset", "model", "criterion", "rate", "scope", "reinit")
MARGIN_POINTS = 0.2  # within which a share counts as matched
MARGIN_SHARE = 0.01  # of the dense network's mean, for any other score


@dataclass(frozen=True)
class Setting:
    """One config and its runs."""

    runs: tuple[OpenedRun, ...]  # by seed
    label: str = ""  # what distinguishes it from the report's other settings
    band_is_interval: bool = False  # figures draw confidence intervals, not lowest to highest
    asked_margin: float | None = None  # instead of the usual one

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.runs[0].name

    @property
    def config(self) -> dict[str, Any]:
        """Its canonical config."""
        return self.runs[0].config

    @property
    def score(self) -> Score:
        """What its `val` and `test` measure."""
        return self.runs[0].score

    @property
    def started(self) -> OpenedRun:
        """Its first run that has finished a round; there must be one."""
        return next(run for run in self.runs if run.records)

    @property
    def role(self) -> str:
        """What it is in an experiment: a ticket, a control, or something else."""
        return role_of(self.config)

    @property
    def network(self) -> str:
        """Model and dataset, as folders name them."""
        return f"{self.option('model')} on {self.option('dataset')}"

    def option(self, group: str) -> str:
        """Return the option of a config group (`dataset`, `model`, ...), as folders name it."""
        fields = self.name.split("-")
        if len(fields) == len(GROUPS) + 1:
            return fields[GROUPS.index(group)]
        return str(self.config.get(f"{group}._target_")).rpartition(".")[2]

    def values(self, column: str) -> dict[int, dict[int, float]]:
        """Return a column of results.csv or timing.csv: round -> seed -> value."""
        found: dict[int, dict[int, float]] = defaultdict(dict)
        for run in self.runs:
            for number, value in run.values(column).items():
                found[number][run.seed] = value
        return dict(sorted(found.items()))

    def summaries(self, column: str) -> dict[int, Summary]:
        """Return a column by round, summarised over the seeds."""
        return {n: self.summarise(list(s.values())) for n, s in self.values(column).items()}

    def summarise(self, values: Sequence[float]) -> Summary:
        """Summarise values with the kind of band that the report was asked for."""
        return summarise(values, band_is_interval=self.band_is_interval)

    def means(self, column: str) -> dict[int, float]:
        """Return a column by round, as means over the seeds."""
        return {number: summary.mean for number, summary in self.summaries(column).items()}

    @cached_property
    def has_validation(self) -> bool:
        """Whether there are validation data, which choose ES and rounds."""
        return bool(self.values("val"))

    @cached_property
    def choosing(self) -> Values:
        """The validation scores, which choose rounds.

        Without validation data each is 0: of equal rounds the sparsest is chosen, the last one.
        """
        if self.has_validation:
            return self.values("val")
        return {n: dict.fromkeys(seeds, 0.0) for n, seeds in self.values("test").items()}

    @cached_property
    def paired(self) -> Values:
        """Validation by round of the seeds and rounds that are compared; see `complete`."""
        val = self.choosing
        dense = val.get(0, {})
        return complete(
            {
                n: {s: v for s, v in seeds.items() if s in dense or not dense}
                for n, seeds in val.items()
            }
        )

    @cached_property
    def margin(self) -> float:
        """By how much a network may be worse and still match, in points or the score's unit."""
        if self.asked_margin is not None:
            return self.asked_margin
        if self.score.is_share:
            return MARGIN_POINTS
        return MARGIN_SHARE * abs(next(iter(self.means("test").values()), 0.0))

    @property
    def further_metrics(self) -> list[str]:
        """The columns of results.csv that are not ours: further metrics of the run's task."""
        names = dict.fromkeys(name for run in self.runs for row in run.rows for name in row)
        return [name for name in names if name not in COLUMNS]

    @cached_property
    def test_example(self) -> float:
        """What one test example is worth, in points; 0 if the score is no share of examples."""
        if not self.score.is_share:
            return 0.0
        columns = (self.values(name) for name in ("test", "test_last"))
        shares = (v for column in columns for seeds in column.values() for v in seeds.values())
        return self.score.shown(one_example(shares))

    @cached_property
    def evaluation_grid(self) -> int:
        """Steps between two evaluations; 0 if there was only one."""
        history = self.started.records[0]["history"]
        steps = sorted({entry["iteration"] for entry in history if entry["split"] == "val"})
        return min((b - a for a, b in pairwise(steps)), default=0)

    def round_text(self, number: int) -> str:
        """Name a round with its mean share of weights left, for a sentence."""
        return f"round {number} ({100 * self.means('remaining')[number]:.1f} % of the weights)"

    def best_pruned_round(self) -> int | None:
        """Return the pruned round with the best mean `val` over the seeds that are compared."""
        seeds = next(iter(self.paired.values()), {})
        remaining = mean_by_round(self.values("remaining"), seeds)
        return best_round(mean_by_round(self.paired, seeds), remaining, self.score)

    def remaining_by_layer(self) -> dict[str, dict[int, float]]:
        """Return the share of weights left, mean over the seeds: layer -> round -> share."""
        found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for run in self.runs:
            for record in run.records:
                for layer, counts in record["layers"].items():
                    share = counts["remaining"] / counts["weights"]
                    found[layer][record["row"]["round"]].append(share)
        return {
            layer: {number: sum(shares) / len(shares) for number, shares in sorted(rounds.items())}
            for layer, rounds in found.items()
        }


def with_own_masks(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings whose masks are not those of their trunks; all if there are none."""
    return [
        setting
        for setting in settings
        if not copies(setting.config) or setting.config.get("criterion.shuffle") == "global"
    ] or list(settings)
