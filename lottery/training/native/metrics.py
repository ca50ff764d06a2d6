"""Which of the logged metrics are a run's own: ES, `val`, `test`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lottery.errors import LotteryError

Logged = dict[str, float]  # metrics by name


class MissingMetric(LotteryError):
    """A metric that the run is about was not logged."""


@dataclass(frozen=True)
class MetricNames:
    """Names under which the user's module logs.

    Attributes:
        val: the score of validation.
        test: the same score on the test set.
        monitor: what decides about ES, logged in validation.
        lower_is_better: the direction of `monitor`.
        score: the name of `val` and `test` in history.csv; None: that of `val`.
    """

    val: str
    test: str
    monitor: str
    lower_is_better: bool
    score: str | None = None

    def check_validation(self, logged: Iterable[str]) -> None:
        """Check that validation logs `monitor` and `val`."""
        _check({"monitor": self.monitor, "val": self.val}, logged, "validation")

    def check_test(self, logged: Iterable[str]) -> None:
        """Check that the test logs `test`."""
        _check({"test": self.test}, logged, "trainer.test")

    def is_better(self, value: float, best: float | None) -> bool:
        """Return whether a monitored value is better than the best so far."""
        if best is None:
            return True
        return value < best if self.lower_is_better else value > best


def _check(wanted: Mapping[str, str], logged: Iterable[str], where: str) -> None:
    logged = sorted(logged)
    for key, name in wanted.items():
        if name not in logged:
            shown = ", ".join(logged) or "nothing"
            raise MissingMetric(f"metrics.{key}={name}: {where} logs {shown} (self.log)")
