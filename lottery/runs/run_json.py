"""run.json: what a run is and rests on, and how far it has come; written and compared here."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lottery.config.run_key import located
from lottery.errors import ConfigError
from lottery.record.opened_run import OpenedRun
from lottery.record.records import read_record, read_run_json, write_run_json
from lottery.record.run_dir import RunDir
from lottery.record.schema import Hardware, RunJson
from lottery.record.score import ACCURACY
from lottery.runs.run_lock import Ownership
from lottery.signals import Stopped

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

log = logging.getLogger(__name__)


def check_same_run(experiment: "Experiment", run: OpenedRun) -> None:
    """Check that a folder holds this run, and that the run rests on the same files as before."""
    path = run.path
    here = experiment.settings.canonical | {"seed": experiment.settings.seed}
    there = run.config | {"seed": run.seed}
    if here != there:
        differing = [
            f"{key} ({there.get(key, 'absent')} there, {here.get(key, 'absent')} here)"
            for key in sorted(here.keys() | there.keys())
            if here.get(key, "absent") != there.get(key, "absent")
        ]
        raise ConfigError(f"{path}: holds another run; differing: {', '.join(differing)}")
    _check_same_masks(experiment, run)
    known = run.run_json["digests"]
    changed = [name for name, d in sorted(experiment.digests.items()) if known.get(name, d) != d]
    if changed:
        raise ConfigError(
            f"{path}: began with other content of {', '.join(changed)}; "
            "put it back, choose another output_dir, or delete this folder to begin again"
        )


def _check_same_masks(experiment: "Experiment", run: OpenedRun) -> None:
    """Check that the run goes on with the masks it has begun with.

    Version 0.1 did not prune attention's queries, keys and values, nor a weight that an embedding
    shares with a later layer.
    """
    if not run.records or not experiment.imp.rounds.todo(run.rows):
        return
    there, here = run.records[0]["layers"].keys(), experiment.shapes.keys()
    if there != here:
        raise ConfigError(
            f"{run.path}: began without masks of "
            f"{', '.join(sorted(here ^ there))}, which this version prunes too; "
            "choose another output_dir, or go on with the version it began with"
        )


@contextmanager
def status_in_run_json(experiment: "Experiment", ownership: Ownership) -> Iterator[None]:
    """Write run.json before the training, and the status in it after the training.

    If the folder is another process's by now, nothing is written.
    """
    _write_run_json(experiment)
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit | Stopped)
        with suppress(OSError):  # the disk may be full, and the error says so
            if not ownership.lost:
                _set_status(
                    experiment,
                    status="interrupted" if interrupted else "failed",
                    message=f"{type(error).__name__}: {error}",
                )
        raise
    _set_status(experiment, status="finished", message="")


def _write_run_json(experiment: "Experiment") -> None:
    from lottery.config.provenance import git_commit, machine, versions

    run_dir, settings = experiment.imp.run_dir, experiment.settings
    splits, here = experiment.splits, machine(experiment.device)
    digests = dict(experiment.digests)
    if run_dir.run_json.exists():
        earlier = read_run_json(run_dir)
        # rounds that were copied earlier, and are not asked for now, have digests too
        digests = earlier["digests"] | digests
        _warn_of_other_machine(earlier["machine"], here)
    entry: RunJson = {
        "name": run_dir.path.parent.name,
        "key": settings.key,
        "seed": settings.seed,
        "status": "running",
        "message": "",
        "rounds": list(experiment.imp.rounds.numbers),
        "config": settings.canonical,
        "settings": located(settings.config),
        "digests": digests,
        "input_shape": list(splits.input_shape) if splits else [],
        "num_classes": splits.num_classes if splits else 0,
        "num_tokens": splits.num_tokens if splits else None,
        "outside": dict(experiment.outside),
        "versions": versions(),
        "git_commit": git_commit(),
        "machine": here,
    }
    shape, score = experiment.output_shape, experiment.score
    if splits and shape is not None and shape != (splits.num_classes,):
        entry["output_shape"] = list(shape)
    if score != ACCURACY:
        entry["score"] = score.to_json()
    if experiment.notes:
        entry["notes"] = experiment.notes
    _note_dense_from(run_dir, entry)
    write_run_json(run_dir, entry)


def _warn_of_other_machine(earlier: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    earlier, here = ({"grouped": 1, **machine} for machine in (earlier, here))
    # an older version has noted less, and a CPU has no CUDA
    known = [name for name in Hardware.__annotations__ if name in earlier and name in here]
    changed = [name for name in known if earlier[name] != here[name]]
    if changed:
        log.warning(
            "this run began with %s and goes on with %s: its last bits may differ from those of a "
            "run that was not interrupted",
            ", ".join(f"{name}={earlier[name]}" for name in changed),
            ", ".join(f"{name}={here[name]}" for name in changed),
        )


def _set_status(experiment: "Experiment", *, status: str, message: str) -> None:
    run_dir = experiment.imp.run_dir
    entry = read_run_json(run_dir)
    if status == "finished":
        _note_dense_from(run_dir, entry)
    write_run_json(run_dir, {**entry, "status": status, "message": message})


def _note_dense_from(run_dir: RunDir, entry: RunJson) -> None:
    """Enter the run that round 0 was taken from, if it was taken, as the round's record says."""
    folder = run_dir.round(0)
    trained = read_record(folder).get("trained") if folder.finished else None
    if trained and "run" in trained:
        entry["dense_from"] = trained["run"]
