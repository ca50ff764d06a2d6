"""A sweep whose jobs Optuna proposes, one batch after the other: `hydra/sweeper=optuna`."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from lottery.config import read_checked
from lottery.config.groups import SEED, TEXT, WHOLE, read_group
from lottery.config.instantiate import check_made, make
from lottery.config.rules import Rule, or_null
from lottery.config.run_key import key_of, plain
from lottery.config.search_space import read_search_space
from lottery.config.settings import NODE, Settings
from lottery.config.targets import Node
from lottery.errors import ConfigError
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.record.schema import SweepJob
from lottery.record.score import ACCURACY, Score, score_of
from lottery.record.study import TrialJson, param_text, write_study
from lottery.runs.objectives import check_objectives, check_without_validation, directed, values_of
from lottery.runs.study import Proposal, Study, opened
from lottery.runs.sweep import Sweep
from lottery.seeds import derive_seed

log = logging.getLogger(__name__)

LONGEST = 200  # bytes of a study's name, so that its lock files have names, too
COLUMNS = Rule(lambda v: isinstance(v, list), "a list of columns of results.csv")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`hydra.sweeper`: how a search is done."""

    n_trials: Annotated[int, WHOLE, "finished trials in all"]
    n_jobs: Annotated[int, WHOLE, "trials that are proposed together"]
    objectives: Annotated[list[str], COLUMNS, "columns of results.csv"]
    study: Annotated[str | None, or_null(TEXT), "a name"]
    seed: Annotated[int, SEED, "of the proposals"]
    sampler: Annotated[Node, NODE, "one of Optuna's samplers"]


def search(
    arguments: Sequence[str], *, config: DictConfig, loader: ConfigLoader, launcher: Launcher
) -> None:
    """Do trials until the study has as many as were asked for. Mistakes are found before that."""
    if find_spec("optuna") is None:
        line = "needs the package optuna: pip install 'lottery[optuna]'"
        raise ConfigError(f"hydra/sweeper=optuna: {line}")
    options = _read_options(config)
    columns = check_objectives(options.objectives)
    space = read_search_space(arguments, loader)
    compose = partial(loader.load_sweep_config, config)
    settings = read_checked(plain(compose(space.first())))
    if settings.dataset.val_share == 0:
        check_without_validation(columns)
    _make_sampler(options, 0)
    score = _score_of_settings(settings)
    objectives = directed(columns, score)
    named = {"overrides": sorted(arguments), "objectives": columns, "sampler": options.sampler}
    name = options.study or key_of(named | {"seed": options.seed})
    path = Path(settings.output_dir).absolute() / "studies" / f"{name}.log"
    with opened(path, objectives) as in_file:
        study = Study(
            objectives=objectives,
            space=space,
            make_sampler=partial(_make_sampler, options),
            find_run=lambda overrides: str(compose(list(overrides)).hydra.sweep.subdir),
            optuna=in_file,
        )
        sweep = Sweep.of(config.hydra)
        sweep.path.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, sweep.path / "multirun.yaml")
        searching = Search(path, study, sweep, launcher, score)
        searching.run(options.n_trials, at_once=options.n_jobs)


@dataclass(frozen=True)
class Search:
    """A sweep that does the trials of a study."""

    path: Path
    study: Study
    sweep: Sweep
    launcher: Launcher
    score: Score

    def run(self, num_trials: int, at_once: int) -> None:
        """Do trials, those first that a killed process has begun."""
        for number, trial in enumerate(self.study.complete):
            self.sweep.note(self._finished_job(number, trial))
        waiting, failed = self.study.unfinished(), 0
        while (size := min(at_once, num_trials - len(self.study.complete) - failed)) > 0:
            batch, waiting = waiting[:size], waiting[size:]
            while len(batch) < size:
                batch.append(self.study.propose())
            self._write()
            try:
                failed += self._do(batch)
            finally:
                self._write()
        self._write()
        self._log_best()

    def _do(self, batch: Sequence[Proposal]) -> int:
        """Do some trials; return how many have failed."""
        first = 1 + max((job["job"] for job in self.sweep.jobs()), default=-1)
        self.launcher.launch([trial.overrides for trial in batch], initial_job_idx=first)
        jobs, failed = {job["job"]: job for job in self.sweep.jobs()}, 0
        for number, trial in enumerate(batch, first):
            job = jobs.get(number)
            row = job["row"] if job and job["status"] == "finished" else None
            if job and row and score_of(job) != self.score:
                raise ConfigError(
                    f"{' '.join(trial.overrides)}: val is {score_of(job).metric}, and "
                    f"{self.score.metric} in other trials: they cannot be compared"
                )
            values = values_of(row, self.study.objectives)
            self.study.tell(trial.number, values)
            failed += values is None
        return failed

    def _finished_job(self, number: int, trial: TrialJson) -> SweepJob:
        """Return what this sweep says of a trial that an earlier one has done."""
        job: SweepJob = {
            "job": number,
            "overrides": self.study.space.overrides(trial["params"]),
            "run": trial["run"],
            "status": "finished",
            "message": "",
            "row": None,
        }
        if self.score != ACCURACY:
            job["score"] = self.score.to_json()
        try:
            rows = OpenedRun(RunDir(Path(trial["run"]))).rows
        except DamagedFile as error:
            return {**job, "status": "unknown", "message": str(error)}
        return {**job, "row": rows[-1] if rows else None}

    def _write(self) -> None:
        write_study(
            self.sweep.path,
            {
                "study": str(self.path),
                "objectives": [
                    {"column": o.column, "higher_is_better": o.higher_is_better}
                    for o in self.study.objectives
                ],
                "score": self.score.to_json(),
                "trials": self.study.trials,
                "best": self.study.best,
            },
        )

    def _log_best(self) -> None:
        best, trials = self.study.best, self.study.complete
        log.info("study %s: %d trials", self.path, len(trials))
        for trial in (trial for trial in trials if trial["number"] in best):
            columns = [objective.column for objective in self.study.objectives]
            values = dict(zip(columns, trial["values"] or [], strict=True))
            log.info(
                "best: trial %d: %s; %s",
                trial["number"],
                param_text(trial["params"]),
                param_text(values),
            )


def _read_options(config: DictConfig) -> Options:
    values = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(values, dict)
    ours = {str(key): value for key, value in values.items() if str(key)[0] != "_"}
    options = read_group(Options, ours, "hydra.sweeper")
    if options.study and options.study != Path(options.study).name:
        raise ConfigError(f"hydra.sweeper.study={options.study}: a name, not a path")
    if options.study and len(os.fsencode(options.study)) > LONGEST:
        raise ConfigError(
            f"hydra.sweeper.study={options.study}: a name of at most {LONGEST} bytes"
        )
    return options


def _score_of_settings(settings: Settings) -> Score:
    """Return the score of a run, whose direction the search must know before the first one."""
    if settings.module is not None:
        from lottery.config.module_settings import score_of_metrics

        return score_of_metrics(settings)
    from lottery.config.task import build_task  # imports torch

    return build_task(settings.task, settings.model).score


def _make_sampler(options: Options, number: int) -> Any:
    """Return a sampler for one trial, whose random numbers are those of no other trial."""
    seed = derive_seed(options.seed, "trial", number) % 2**32
    sampler = make(options.sampler, "hydra.sweeper.sampler", seed=seed)
    check_made(sampler, options.sampler, "hydra.sweeper.sampler", "infer_relative_search_space")
    return sampler
