"""A whole run of a user's LightningModule, built and checked, as `experiment.py` does for ours."""

import socket
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lottery.config.copied_masks import shared_dense_round
from lottery.config.device import build_device, choose_threads
from lottery.config.experiment import Experiment, check_num_steps, shown_settings
from lottery.config.loggers import build_callback_maker, build_loggers
from lottery.config.module import ModuleSetup, set_up_module
from lottery.config.own_files import file_digests
from lottery.config.process_rank import ProcessRank
from lottery.config.provenance import hardware
from lottery.config.pruning import set_up_pruning
from lottery.config.reinit import build_reinit
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.imp import Imp, Pruning, Rounds, Storage
from lottery.models.state import State, all_buffers, fresh_state
from lottery.progress import Progress
from lottery.pruning import Pruner, ScoredPruner, trait
from lottery.record.durations import Duration, parse_duration
from lottery.record.run_dir import RunDir
from lottery.reinit import Finetune, LrRewind, Reinit
from lottery.seeds import derive_seed
from lottery.signals import StopRequest
from lottery.training import Device, EvaluationSchedule
from lottery.training.loggers import RunLoggers
from lottery.training.native import NativeFit


def build_module_experiment(
    settings: Settings, run_dir: RunDir, process: ProcessRank
) -> Experiment:
    """Build everything that a run of a LightningModule needs."""
    device = build_device(settings.trainer, process)
    setup = set_up_module(settings, device)
    loggers = build_loggers(
        settings.logger, run_dir, settings=shown_settings(settings), score=setup.score
    )
    torch.set_num_threads(choose_threads(settings.trainer.threads, setup.network, device))
    pruning = set_up_pruning(settings, setup.network)
    _check_criterion(pruning.pruner)
    progress, stop = Progress(score=setup.score), StopRequest()
    num_steps = _steps("iterations", settings.iterations, setup)
    check_num_steps(settings, num_steps)
    reinit = _build_reinit(settings, setup, num_steps)
    digests = {**file_digests(settings.config), **pruning.digests}
    imp = Imp(
        rounds=Rounds(settings.rounds_to_do, settings.pruning.target_sparsity),
        num_steps=num_steps,
        fresh=partial(_draw, setup.make, settings.seed_for("init")),
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
            early_bird=settings.early_bird.epsilon,
        ),
        reinit=reinit,
        storage=Storage(
            run_dir=run_dir,
            buffers=all_buffers(setup.network).keys(),
            keep=settings.keep,
            dense_from=shared_dense_round(settings, reinit, digests),
            score=setup.score,
            update_summary=loggers.summarise,
        ),
        count=setup.counter(),
        place={"host": socket.gethostname(), "hardware": hardware(device)},
    )
    return Experiment(
        imp=imp,
        fit=None,
        settings=settings,
        digests=digests,
        splits=None,
        task=None,
        score=setup.score,
        network=setup.network,
        pruning=pruning,
        network_notes=[],
        device=device,
        process=process,
        progress=progress,
        stop=stop,
        loggers=loggers,
    )


def _draw(make: Callable[[], nn.Module], seed: int, *purpose: str | int) -> State:
    return fresh_state(make, derive_seed(seed, *purpose))


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
        options=settings.trainer.lightning,
        device=device,
        make_callbacks=build_callback_maker(settings.callbacks, run_dir),
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
    if step and not setup.seen.loader_has_state and (per_epoch is None or step % per_epoch):
        raise ConfigError(
            f"reinit.to={asked}: step {step} is inside an epoch of {per_epoch} steps, where only "
            "a loader with state_dict can begin (torchdata's StatefulDataLoader); accepted: "
            "whole epochs, 1ep"
        )
    return reinit


def _check_criterion(pruner: Pruner) -> None:
    """Refuse criteria that run the network: its loss is inside the module's training_step."""
    if not isinstance(pruner, ScoredPruner):
        return
    criterion = pruner.criterion
    if trait(criterion, "num_examples") or trait(criterion, "runs_on_ones"):
        raise ConfigError(
            f"criterion={type(criterion).__name__.lower()}: runs the network itself, which is not "
            "there yet with module=; criteria of weights and random are"
        )
