"""What a search varies: the sweeps of overrides as distributions of Optuna."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from lottery.errors import ConfigError

Distribution = Any  # of Optuna, which is imported where it is used
MOST_VALUES = 100_000  # of a range
EXAMPLE = "optimizer.lr=tag(log, interval(1e-4, 1e-2))"


@dataclass(frozen=True)
class SearchSpace:
    """The overrides that all jobs share, and the distributions of the others by key."""

    fixed: Sequence[str]
    searched: Mapping[str, Distribution]

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """Return the overrides of one job."""
        return [*self.fixed, *(f"{key}={value}" for key, value in self.used(params).items())]

    def proposes(self, params: Mapping[str, Any]) -> bool:
        """Tell whether a search of this space proposes such values; a file may hold others."""
        return params.keys() == self.searched.keys() and all(
            _holds(self.searched[key], value) for key, value in params.items()
        )

    def used(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return proposed values as they are used: with four digits, for the names of folders."""
        return {key: _short(value, self.searched.get(key)) for key, value in params.items()}

    def first(self) -> list[str]:
        """Return the overrides of a job at the beginning of each distribution."""
        from optuna.distributions import CategoricalDistribution

        params = {
            key: found.choices[0] if isinstance(found, CategoricalDistribution) else found.low
            for key, found in self.searched.items()
        }
        return self.overrides(params)


def read_search_space(arguments: Sequence[str], loader: ConfigLoader) -> SearchSpace:
    """Return what the arguments of a sweep fix and what they vary."""
    fixed, searched = [], {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key = override.get_key_element()
        if override.is_sweep_override():
            if key == "seed":
                raise ConfigError(
                    f"{override.input_line}: a search would choose the luckiest seed; give "
                    "one, and repeat the best setting with several"
                )
            try:
                searched[key] = _distribution(override)
            except (ValueError, OverflowError, HydraException) as error:  # Optuna's, too
                raise ConfigError(f"{override.input_line}: {error}") from error
        else:
            fixed.append(f"{key}={override.get_value_element_as_str()}")
    if not searched:
        raise ConfigError(f"hydra/sweeper=optuna: nothing varies; for example {EXAMPLE!r}")
    return SearchSpace(fixed, searched)


def _distribution(override: Override) -> Distribution:
    from optuna.distributions import CategoricalDistribution

    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        return _interval(override, sweep)
    if isinstance(sweep, RangeSweep):
        return _range(override, sweep)
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _interval(override: Override, sweep: IntervalSweep) -> Distribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    log = _is_log(override, sweep.tags)
    ends: list[Any] = [sweep.start, sweep.end]
    if not all(map(isfinite, ends)):
        raise ValueError("finite ends expected")
    if all(type(end) is int for end in ends):
        return IntDistribution(ends[0], ends[1], log=log)
    return FloatDistribution(ends[0], ends[1], log=log)


def _range(override: Override, sweep: RangeSweep) -> Distribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    log = _is_log(override, sweep.tags)
    values = list(islice(sweep.range(), MOST_VALUES + 1))  # Hydra counts none of them
    if len(values) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values; an interval(start, end) has no limit")
    if not values:
        raise ConfigError(f"{override.input_line}: an empty range")
    low, high = sorted((values[0], values[-1]))
    step = abs(sweep.step)
    if isinstance(low, int) and isinstance(step, int):
        return IntDistribution(low, int(high), log=log, step=step)
    return FloatDistribution(float(low), float(high), log=log, step=None if log else float(step))


def _is_log(override: Override, tags: set[str]) -> bool:
    if others := tags - {"log"}:
        raise ConfigError(f"{override.input_line}: tag {sorted(others)[0]}: accepted: log")
    return "log" in tags


def _holds(distribution: Distribution, value: Any) -> bool:
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, int | float) and distribution.low <= value <= distribution.high


def _short(value: Any, distribution: Distribution) -> Any:
    if not isinstance(value, float) or distribution is None:
        return value
    short = float(f"{value:.4g}")
    return short if distribution.low <= short <= distribution.high else value
