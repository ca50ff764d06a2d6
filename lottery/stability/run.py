"""A finished run's stability to SGD noise: the run rebuilt, checked, analysed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ALONE, ConfigError
from lottery.record.disk_errors import disk_errors_in
from lottery.record.durations import parse_duration
from lottery.record.records import read_record, read_records, read_run_json
from lottery.record.rows import winning_round
from lottery.record.run_dir import RunDir
from lottery.report import report_at_end
from lottery.runs.lifecycle import check_same_run, check_writable
from lottery.runs.run_lock import NoFileLocks, locked

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment
    from lottery.config.settings import Settings
    from lottery.stability import Analysis, Target

log = logging.getLogger(__name__)

ONE_DEVICE = {"devices": 1, "num_nodes": 1}


@dataclass(frozen=True)
class Asked:
    """What a user asks for.

    Args:
        rounds: None for the dense network and the winning round.
        steps: numbers of steps or epochs ('100', '1ep'); None for where each round starts.
        pairs: pairs of copies for each round and step.
        points: points of the line between two copies, the ends included.
        data: where the data are now, if not where they were: `dataset.root`, or the folder, of
            the same name, of an image folder.
        device: "cpu", "gpu" or "auto", if not the run's.
    """

    rounds: Sequence[int] | None = None
    steps: Sequence[str] | None = None
    pairs: int = 3
    points: int = 30
    data: str | None = None
    device: str | None = None


def analyse_stability(path: Path, asked: Asked) -> str:
    """Analyse a run, or find it done; what is there already is not done again.

    Args:
        path: the run's folder.
        asked: what to do.

    Returns:
        The tables, as people read them.

    Raises:
        ConfigError: a user's mistake, or data or code that are not the run's any more.
        Stopped: a signal asked for it.
    """
    run_dir = RunDir(path.absolute())
    if not run_dir.run_json.exists():
        raise ConfigError(f"{path}: not the folder of a run (no run.json in it)")
    rounds = _choose_rounds(run_dir, asked.rounds)
    from lottery.config.experiment import build_experiment

    experiment = build_experiment(_settings(run_dir, asked), run_dir, ALONE)
    check_same_run(experiment)
    analysis = _plan(experiment, rounds, asked)
    check_writable(run_dir.path)

    from lottery.stability import analyse, format_summary

    folder = run_dir.stability
    try:
        with (
            disk_errors_in(folder.path),
            locked(folder.path, wait=False),
            experiment.stop.listening(),
        ):
            analyse(analysis)
    except NoFileLocks as error:
        raise ConfigError(str(error)) from error
    report_at_end(run_dir.path)
    return format_summary(folder)


def _choose_rounds(run_dir: RunDir, asked: Sequence[int] | None) -> list[int]:
    rows = [record["row"] for record in read_records(run_dir)]
    finished = [row["round"] for row in rows]
    if not finished:
        raise ConfigError(f"{run_dir.path}: no round is finished")
    if asked is None:
        winner = winning_round(rows)
        return [0] if winner is None else [0, winner]
    for number in asked:
        if number not in finished:
            there = ", ".join(map(str, finished))
            raise ConfigError(f"--rounds: round {number} is not finished; accepted: {there}")
    return sorted(set(asked))


def _settings(run_dir: RunDir, asked: Asked) -> "Settings":
    """The run's settings, for one device and without loggers and callbacks."""
    from lottery.config.from_run_json import data_at, settings_of_run

    entry = read_run_json(run_dir)
    trainer: dict[str, Any] = dict(ONE_DEVICE)
    if asked.device is not None:
        trainer["accelerator"] = asked.device
    changes: dict[str, Mapping[str, Any] | None] = {
        "trainer": trainer,
        "logger": None,
        "callbacks": None,
    }
    if asked.data is not None:
        changes["dataset"] = data_at(entry["config"]["dataset._target_"], asked.data)
    try:
        settings = settings_of_run(entry, **changes)
    except ConfigError as error:
        raise ConfigError(f"{run_dir.path}: {error}") from error
    devices = entry["settings"]["trainer"]["devices"] * entry["settings"]["trainer"]["num_nodes"]
    if devices > 1:
        log.info("the run trained on %d devices; its copies are trained on one", devices)
    return settings


def _plan(experiment: "Experiment", rounds: Sequence[int], asked: Asked) -> "Analysis":
    from lottery.progress import Progress
    from lottery.stability import Analysis

    imp = experiment.imp
    targets = [target for number in rounds for target in _targets(experiment, number, asked.steps)]
    progress = Progress(unit="training")
    try:
        return Analysis(
            replace(experiment.fit, progress=progress),
            *(imp.run_dir.stability, imp.storage.buffers, targets),
            *(asked.pairs, asked.points, progress),
        )
    except ValueError as error:  # begins with the argument's name
        raise ConfigError(f"--{error}") from error


def _targets(experiment: "Experiment", number: int, steps: Sequence[str] | None) -> "list[Target]":
    """The steps asked for of one round."""
    from lottery.imp import round_start
    from lottery.stability import Target

    imp = experiment.imp
    stored = imp.storage.masks(number)
    masks = {name: stored[name] for name in imp.pruning.prunable}
    try:
        start = round_start(imp, number, masks)
    except FileNotFoundError as error:
        raise ConfigError(
            f"--rounds: round {number} cannot be started again without {error.filename}, which "
            "keep=winner has dropped"
        ) from error
    first, made = start.first_step, read_record(imp.run_dir.round(number))["row"]["steps"]
    if steps is None:
        return [Target(number, first, start, masks)]
    batch_size = experiment.settings.dataset.batch_size
    found = {text: _parse(text, len(experiment.splits.train) // batch_size) for text in steps}
    for text, step in found.items():
        if not first <= step < first + made:
            raise ConfigError(
                f"--steps: {text} is step {step}; round {number} goes from step {first} to "
                f"{first + made}, and copies need steps that are left"
            )
    return [Target(number, step, start, masks) for step in sorted(set(found.values()))]


def _parse(text: str, steps_per_epoch: int) -> int:
    try:
        return parse_duration(text).steps(steps_per_epoch)
    except ValueError as error:
        raise ConfigError(f"--steps: {text!r}: {error}") from error
