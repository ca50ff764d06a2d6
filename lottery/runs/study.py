"""A study of Optuna in a file, which one process at a time works on."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lottery.config.search_space import SearchSpace
from lottery.errors import ConfigError
from lottery.record.files import damaged, open_regular
from lottery.record.study import TrialJson
from lottery.runs.objectives import Objective

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.samplers import BaseSampler

NAME = "lottery"  # of the only study in its file
RUN = "run"  # the folder of a trial's run, an attribute of the trial
REPAIR = "remove it to begin again"
# What Optuna raises at a damaged file
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


@dataclass(frozen=True)
class Proposal:
    """A trial that is to be done."""

    number: int
    overrides: list[str]


@dataclass(frozen=True)
class Study:
    """The trials of a search."""

    objectives: Sequence[Objective]
    space: SearchSpace
    make_sampler: Callable[[int], "BaseSampler"]  # by the number of the trial that it proposes
    find_run: Callable[[Sequence[str]], str]  # the folder of a job, by its overrides
    optuna: "OptunaStudy"

    def __post_init__(self) -> None:
        """Check that earlier trials had values of the same kinds."""
        from optuna.distributions import check_distribution_compatibility

        for trial in self.optuna.get_trials(deepcopy=False):
            for key in trial.distributions.keys() & self.space.searched.keys():
                try:
                    check_distribution_compatibility(
                        trial.distributions[key], self.space.searched[key]
                    )
                except ValueError as error:
                    raise ConfigError(f"{key}: {error} Choose another study.") from error

    def unfinished(self) -> list[Proposal]:
        """Return the trials that a killed process has begun; those of another search fail."""
        from optuna.trial import TrialState

        proposals = []
        for trial in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if self.space.proposes(trial.params) and RUN in trial.user_attrs:
                proposals.append(Proposal(trial.number, self.space.overrides(trial.params)))
            else:
                self.tell(trial.number, None)
        return proposals

    def propose(self) -> Proposal:
        """Ask for a new trial. What is proposed depends on the trials before it alone."""
        self.optuna.sampler = self.make_sampler(len(self.optuna.get_trials(deepcopy=False)))
        trial = self.optuna.ask(dict(self.space.searched))
        overrides = self.space.overrides(trial.params)
        trial.set_user_attr(RUN, self.find_run(overrides))
        return Proposal(trial.number, overrides)

    def tell(self, number: int, values: list[float] | None) -> None:
        """Note what a trial has reached; None if it has failed."""
        from optuna.trial import TrialState

        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        self.optuna.tell(number, values, state)

    @property
    def complete(self) -> list[TrialJson]:
        """The trials that have finished."""
        return [trial for trial in self.trials if trial["state"] == "complete"]

    @property
    def trials(self) -> list[TrialJson]:
        """All trials."""
        return [
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "params": self.space.used(trial.params),
                "values": trial.values if trial.state.name == "COMPLETE" else None,
                "run": str(trial.user_attrs.get(RUN, "")),
            }
            for trial in self.optuna.get_trials(deepcopy=False)
        ]

    @property
    def best(self) -> list[int]:
        """The best trial; with several objectives those that no other beats in all of them."""
        return [trial.number for trial in self.optuna.best_trials] if self.complete else []


@contextmanager
def opened(path: Path, objectives: Sequence[Objective]) -> Iterator["OptunaStudy"]:
    """Lock a study's file and open it, or make it; another process must not work on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=0, fallback_to_soft=False):
            yield _open(path, [objective.direction for objective in objectives])
    except Timeout as error:
        raise ConfigError(f"{path}: another process works on this study") from error


def _open(path: Path, directions: list[str]) -> "OptunaStudy":
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # Optuna's, of a killed process
    with suppress(FileNotFoundError), open_regular(path, REPAIR) as file:
        content = file.read()  # a kill may have come in the middle of the last line
        os.truncate(path, content.rfind(b"\n") + 1)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=NAME,
            directions=[StudyDirection[direction.upper()] for direction in directions],
            load_if_exists=True,
        )
    except DAMAGE as error:
        raise damaged(path, str(error), REPAIR) from error
    there = [direction.name.lower() for direction in study.directions]
    if there != directions:
        raise ConfigError(
            f"{path}: its objectives are to {there}, and not to {directions}; choose another study"
        )
    return study
