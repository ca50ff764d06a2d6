"""A finished run's stability to SGD noise: the run is rebuilt, checked and analysed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config import ALONE, ConfigError
from lottery.config.replaced import has_module
from lottery.record.disk_errors import check_writable, disk_errors_in
from lottery.record.durations import parse_duration
from lottery.record.opened_run import OpenedRun, open_run
from lottery.record.run_dir import StabilityDir
from lottery.report import report_at_end
from lottery.runs.run_folder import check_run_folder, check_tree
from lottery.runs.run_json import check_same_run
from lottery.runs.run_lock import locked
from lottery.stability.stored_lines import check_finished, choose_ends, make_lines

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment
    from lottery.config.settings import Settings
    from lottery.stability import Analysis, Target

log = logging.getLogger(__name__)

DEFAULT_PAIRS = 3

Work = tuple[Callable[[], None], Callable[[StabilityDir], str]]


@dataclass(frozen=True)
class StabilityOptions:
    """The options of `lottery-stability`."""

    rounds: Sequence[int] | None = None  # None: the dense network and the winning round
    steps: Sequence[str] | None = None  # '100' or '1ep'; None: the step each round starts at
    pairs: int | None = None  # None: 3
    points: int = 30
    between: str | None = None  # "rounds": lines from the end of each round to that of the next
    other: Path | None = None  # a run: lines to the ends of its rounds
    align: str | None = None  # match units first, by "weights" or "activations"
    data: str | None = None  # where the data are now: `dataset.root`, or a folder of images
    device: str | None = None  # "cpu", "gpu" or "auto"; None: the run's
    trust_code: bool = False  # make classes that are not ours or torch's

    @property
    def of_lines(self) -> bool:
        """Whether to measure lines between stored networks, not copies."""
        return self.between is not None or self.other is not None


def analyse_stability(path: Path, options: StabilityOptions) -> str:
    """Analyse a run; what is there already is not done again."""
    run = open_run(path.absolute())
    _check_options(options)
    work, describe = (_prepare_lines if options.of_lines else _prepare_copies)(run, options)
    check_writable(run.path, "RUN_DIR")
    check_run_folder(run.folder)
    check_tree(run.folder.stability.path)
    folder = run.folder.stability
    with disk_errors_in(folder.path), locked(folder.path, wait=False):
        work()
    report_at_end(run.path)
    return describe(folder)


def _check_options(options: StabilityOptions) -> None:
    given = {"--steps": options.steps, "--pairs": options.pairs}
    if options.of_lines:
        for name in (name for name, value in given.items() if value is not None):
            raise ConfigError(f"{name}: of copies; not with --between or --with")
    elif options.align is not None:
        raise ConfigError(f"--align {options.align}: only with --between or --with")


def _prepare_copies(run: OpenedRun, options: StabilityOptions) -> Work:
    """Return what analyses copies of the run's networks, and what describes the result."""
    rounds = _choose_rounds(run, options.rounds)
    experiment = _rebuild(run, options)
    if experiment.fit and experiment.fit.draw_scores:
        raise ConfigError(
            f"{run.path}: criterion=edge_popup trains no weights, so that its networks have no "
            "trained copies; lines between rounds and runs (--between, --with) are there"
        )
    analysis = _make_analysis(experiment, run, rounds, options)

    from lottery.stability import analyse, format_summary

    describe = partial(format_summary, score=run.score)
    return partial(_listening, experiment, partial(analyse, analysis)), describe


def _prepare_lines(run: OpenedRun, options: StabilityOptions) -> Work:
    """Return what measures lines between the ends of rounds, and what describes the result."""
    other = open_run(options.other.absolute()) if options.other else None
    ends = choose_ends(run, other, options.rounds)
    experiment = _rebuild(run, options)

    from lottery.stability.line_tables import format_lines
    from lottery.stability.lines import NONE, LineAnalysis, analyse_lines

    fit = experiment.fit
    assert fit is not None
    try:
        analysis = LineAnalysis(
            fit=fit,
            folder=run.folder.stability,
            lines=make_lines(other, ends, experiment.imp.storage),
            points=options.points,
            align=options.align or NONE,
        )
    except ValueError as error:  # begins with the argument's name
        raise ConfigError(f"--{error}") from error
    analysis.check()
    describe = partial(format_lines, score=run.score)
    return partial(_listening, experiment, partial(analyse_lines, analysis)), describe


def _listening(experiment: "Experiment", work: Callable[[], None]) -> None:
    """Work until it is done or a signal asks to stop."""
    with experiment.stop.listening():
        work()


def _rebuild(run: OpenedRun, options: StabilityOptions) -> "Experiment":
    """Return a run's networks, data and training, as they were."""
    from lottery.config.copied_masks import without_masks
    from lottery.config.experiment import build_experiment
    from lottery.config.trust import making_from

    if has_module(run.run_json.get("settings", {})):
        raise ConfigError(
            f"{run.path}: a run with module=; lottery-stability trains copies with the network's "
            "own loss and data, and cannot do so by a training_step yet"
        )
    may_write = options.data is not None or options.trust_code
    with making_from(str(run.folder.run_json), trust_code=options.trust_code):
        settings = _settings(run, options)
        experiment = build_experiment(settings, run.folder, ALONE, may_write=may_write)
    experiment = replace(experiment, digests=without_masks(experiment.digests))
    check_same_run(experiment, run)
    return experiment


def _choose_rounds(run: OpenedRun, asked: Sequence[int] | None) -> list[int]:
    if not run.records:
        raise ConfigError(f"{run.path}: no round is finished")
    if asked is None:
        winner = run.winning_round
        return [0] if winner is None or run.masks_moved(winner) else [0, winner]
    for number in (chosen := check_finished(asked, run.finished_rounds)):
        if run.masks_moved(number):
            raise ConfigError(
                f"--rounds: the masks of round {number} have moved while it trained, and copies "
                "train under one mask"
            )
    return chosen


def _settings(run: OpenedRun, options: StabilityOptions) -> "Settings":
    """Return the run's settings, for one device, with its own masks for copied ones."""
    from lottery.config.from_run_json import data_at, settings_of_run

    trainer: dict[str, Any] = {"devices": 1, "num_nodes": 1}
    if options.device is not None:
        trainer["accelerator"] = options.device
    changes: dict[str, Mapping[str, Any]] = {"trainer": trainer}
    if options.data is not None:
        target = run.run_json["config"]["dataset._target_"]
        changes["dataset"] = data_at(target, options.data)
    settings = settings_of_run(run, trust_code=options.trust_code, **changes)
    there = run.run_json["settings"]["trainer"]
    devices = there["devices"] * there["num_nodes"]
    if devices > 1:
        log.info("the run trained on %d devices; its copies are trained on one", devices)
    return _in_its_folder(settings, run)


def _in_its_folder(settings: "Settings", run: OpenedRun) -> "Settings":
    """Return settings that name no other run and no other folder to write to.

    The masks that a run has copied are in its own folder, wherever its trunk is now.
    """
    if Path(settings.output_dir) != run.path.parent.parent:  # the run has moved
        settings = replace(settings, output_dir=str(run.path))
    if settings.copying is None:
        return settings
    asked = settings.copying.rounds
    rounds = None if asked is None else [n for n in asked if n in run.finished_rounds]
    copying = replace(settings.copying, run=str(run.path), rounds=rounds)
    return replace(settings, copying=copying, rounds=max(run.finished_rounds))


def _make_analysis(
    experiment: "Experiment", run: OpenedRun, rounds: Sequence[int], options: StabilityOptions
) -> "Analysis":
    from lottery.progress import Progress
    from lottery.stability import Analysis

    fit = experiment.fit
    assert fit is not None
    progress = Progress(unit="training", score=run.score)
    targets = [
        target for number in rounds for target in _targets(experiment, run, number, options.steps)
    ]
    try:
        return Analysis(
            fit=replace(fit, progress=progress),
            folder=run.folder.stability,
            buffers=experiment.imp.storage.buffers,
            targets=targets,
            pairs=DEFAULT_PAIRS if options.pairs is None else options.pairs,
            points=options.points,
            progress=progress,
        )
    except ValueError as error:  # begins with the argument's name
        raise ConfigError(f"--{error}") from error


def _targets(
    experiment: "Experiment", run: OpenedRun, number: int, steps: Sequence[str] | None
) -> "list[Target]":
    """Return the steps of one round that are asked for."""
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
    first, made = start.first_step, run.record(number)["row"]["steps"]
    if steps is None:
        return [Target(number, first, start, masks)]
    assert experiment.splits is not None
    num_train = len(experiment.splits.train)
    steps_per_epoch = experiment.settings.dataset.steps_per_epoch(num_train)
    numbers = {text: _parse_steps(text, steps_per_epoch) for text in steps}
    for text, step in numbers.items():
        if not first <= step < first + made:
            raise ConfigError(
                f"--steps: {text} is step {step}; round {number} goes from step {first} to "
                f"{first + made}, and copies need steps that are left"
            )
    return [Target(number, step, start, masks) for step in sorted(set(numbers.values()))]


def _parse_steps(text: str, steps_per_epoch: int) -> int:
    try:
        return parse_duration(text).steps(steps_per_epoch)
    except ValueError as error:
        raise ConfigError(f"--steps: {text!r}: {error}") from error
