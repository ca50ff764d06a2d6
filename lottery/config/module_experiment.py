"""A whole run of a user's LightningModule, built and checked, as `experiment.py` does for ours."""

import socket
from pathlib import Path

import torch

from lottery.config.copied_masks import trunk_of_equal_shape
from lottery.config.device import build_device, choose_threads
from lottery.config.experiment import Experiment, check_num_steps, shown_settings
from lottery.config.loggers import build_callback_maker, build_loggers
from lottery.config.module import ModuleSetup, set_up_module
from lottery.config.module_probe import notes_on_batches, set_up_probe
from lottery.config.own_files import file_digests
from lottery.config.process_rank import ProcessRank
from lottery.config.provenance import hardware
from lottery.config.pruning import set_up_pruning
from lottery.config.reinit import build_reinit
from lottery.config.replaced import is_supervised
from lottery.config.settings import Settings
from lottery.config.supervised import set_up_supervised
from lottery.errors import ConfigError
from lottery.imp import DenseSource, Imp, Pruning, Rounds, Storage
from lottery.models.state import all_buffers
from lottery.progress import Progress
from lottery.record.durations import Duration, parse_duration
from lottery.record.run_dir import RunDir
from lottery.reinit import Finetune, LrRewind, Reinit
from lottery.signals import StopRequest
from lottery.training import Device, EvaluationSchedule
from lottery.training.loggers import RunLoggers
from lottery.training.native import NativeFit


def build_module_experiment(
    settings: Settings, run_dir: RunDir, process: ProcessRank
) -> Experiment:
    """Build everything that a run of a LightningModule needs."""
    device = build_device(settings.trainer, process)
    set_up = set_up_supervised if is_supervised(settings.config) else set_up_module
    setup = set_up(settings, device)
    loggers = build_loggers(
        settings.logger,
        run_dir,
        outputs=Path(settings.output_dir).absolute(),
        settings=shown_settings(settings),
        score=setup.score,
    )
    torch.set_num_threads(choose_threads(settings.trainer.threads, setup.network, device))
    pruning = set_up_pruning(settings, setup.network)
    make_probe = set_up_probe(settings, setup, pruning, device)
    progress, stop = Progress(score=setup.score), StopRequest()
    num_steps = _steps("iterations", settings.iterations, setup)
    check_num_steps(settings, num_steps)
    reinit = _build_reinit(settings, setup, num_steps)
    data = setup.make_data.digests()
    digests = {**data, **file_digests(settings.config), **pruning.digests}
    imp = Imp(
        rounds=Rounds(settings.rounds_to_do, settings.pruning.target_sparsity),
        num_steps=num_steps,
        fresh=setup.fresh,
        fit=_build_fit(
            settings,
            setup,
            run_dir,
            device,
            reinit,
            loggers=loggers,
            progress=progress,
            stop=stop,
        ),
        pruning=Pruning(
            pruner=pruning.pruner,
            prunable=pruning.prunable,
            seed=settings.seed_for("pruning"),
            at=settings.pruning.at,
            probe=make_probe,
            early_bird=settings.early_bird.epsilon,
            scored_on_main=pruning.runs_network,
        ),
        reinit=reinit,
        storage=Storage(
            run_dir=run_dir,
            buffers=all_buffers(setup.network).keys(),
            keep=settings.keep,
            # no other run: of a LightningDataModule's data there are no digests to compare
            dense=DenseSource(trunk_of_equal_shape(settings, digests)),
            score=setup.score,
            update_summary=loggers.summarise,
        ),
        count=setup.count,
        place={"host": socket.gethostname(), "hardware": hardware(device)},
    )
    return Experiment(
        imp=imp,
        fit=None,
        settings=settings,
        digests=digests,
        splits=setup.splits,
        task=setup.task,
        score=setup.score,
        network=setup.network,
        pruning=pruning,
        network_notes=[*setup.notes, *notes_on_batches(pruning)],
        device=device,
        process=process,
        progress=progress,
        stop=stop,
        loggers=loggers,
    )


def _build_fit(
    settings: Settings,
    setup: ModuleSetup,
    run_dir: RunDir,
    device: Device,
    reinit: Reinit,
    *,
    loggers: RunLoggers,
    progress: Progress,
    stop: StopRequest,
) -> NativeFit:
    return NativeFit(
        make_module=setup.make_initial,
        make_datamodule=setup.make_data,
        names=setup.names,
        evaluation=EvaluationSchedule(
            every=_steps("evaluation.every", settings.evaluation.every, setup),
            test_curve=False,
            patience=settings.early_stopping.patience,
        ),
        order_seed=settings.seed_for("order"),
        split_seed=settings.dataset.split_seed,
        fixed_order=settings.dataset.order == "fixed",
        steps_per_epoch=setup.seen.steps_per_epoch,
        options=setup.options,
        device=device,
        make_callbacks=build_callback_maker(settings, run_dir),
        open_loggers=loggers.round,
        progress=progress,
        run_dir=run_dir,
        checkpoint_seconds=settings.checkpoint.every_seconds,
        stop=stop,
        stores_optimizer=reinit.carries_optimizer,
    )


def _steps(key: str, asked: Duration, setup: ModuleSetup) -> int:
    """Return a number of training batches."""
    per_epoch = setup.seen.steps_per_epoch
    if per_epoch is None and asked.unit == "ep":
        raise ConfigError(
            f"{key}={asked.canonical()}: the training data have no length (__len__), so that an "
            "epoch is unknown; name a number of steps"
        )
    return asked.steps(per_epoch or 1)


def _build_reinit(settings: Settings, setup: ModuleSetup, num_steps: int) -> Reinit:
    """Return the reinit, if the module's own schedule and loader can start there."""
    per_epoch, asked = setup.seen.steps_per_epoch, settings.reinit.get("to")
    if asked is not None:
        _steps("reinit.to", parse_duration(asked), setup)
    reinit = build_reinit(settings, per_epoch or 1, num_steps)
    partly = isinstance(reinit, LrRewind) and reinit.steps not in (None, num_steps)
    if partly or isinstance(reinit, Finetune):
        raise ConfigError(
            f"reinit={type(reinit).__name__.lower()}: starts inside the learning-rate schedule, "
            "and a LightningModule's own schedule starts at its beginning or at a rewind point; "
            "accepted with module=: rewind, random, sign, none, lr_rewind of all steps"
        )
    step = reinit.rewind_step
    if not step or (per_epoch and step % per_epoch == 0):
        return reinit
    if not setup.seen.loader_has_state:
        raise ConfigError(
            f"reinit.to={asked}: step {step} is inside an epoch of {per_epoch} steps, where only "
            "a loader with state_dict can begin (torchdata's StatefulDataLoader); accepted: "
            "whole epochs, 1ep"
        )
    if step % (every := _steps("evaluation.every", settings.evaluation.every, setup)) == 0:
        raise ConfigError(
            f"reinit.to={asked}: step {step} is inside an epoch of {per_epoch} steps, and a "
            f"validation comes after it (each {every} steps); accepted: whole epochs, 1ep, or "
            "steps that evaluation.every does not divide"
        )
    return reinit
