"""A whole run, built and checked: from its settings to the parts of the round loop."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.dense_round import dense_source
from lottery.config.device import build_device, check_batch, choose_threads
from lottery.config.dynamic import build_dynamic
from lottery.config.fit import build_fit
from lottery.config.frozen_features import feature_file, load_features
from lottery.config.graph import with_graph
from lottery.config.learned_masks import check_frozen_weights, score_maker
from lottery.config.loggers import build_loggers
from lottery.config.meeting import find_meeting
from lottery.config.network import set_up_networks
from lottery.config.own_files import file_digests
from lottery.config.probe import build_probe_maker, check_criterion
from lottery.config.process_rank import ProcessRank
from lottery.config.provenance import hardware
from lottery.config.pruning import PruningSetup, set_up_pruning
from lottery.config.reinit import build_reinit
from lottery.config.rules import MOST_STEPS
from lottery.config.settings import Settings
from lottery.config.splits import build_splits
from lottery.config.task import build_task
from lottery.data import Splits
from lottery.data.placement import placed
from lottery.data.subset import has_classes
from lottery.dynamic import Dynamic, Static, starts_dense
from lottery.errors import ConfigError
from lottery.imp import Imp, Pruning, Rounds, Storage, TrainCost
from lottery.masks import count_outside
from lottery.models.state import all_buffers
from lottery.progress import Progress
from lottery.pruning import ScoredPruner, trait
from lottery.record.equivalent_reinits import note_on_reinit
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.record.schema import Trained
from lottery.record.score import Score
from lottery.reinit import Reinit
from lottery.signals import StopRequest
from lottery.tasks import Task
from lottery.training import Device, LightningFit
from lottery.training.loggers import RunLoggers


@dataclass(frozen=True)
class Experiment:
    """A run that is ready to start.

    `digests` are those of the files that it depends on, by names that a user understands.
    """

    imp: Imp
    fit: LightningFit | None  # None with module=, whose trainings only the round loop does
    settings: Settings
    digests: Mapping[str, str]
    splits: Splits | None  # None with module=
    task: Task | None  # None with module=
    score: Score
    network: nn.Module
    pruning: PruningSetup
    network_notes: list[str]
    device: Device
    process: ProcessRank
    progress: Progress
    stop: StopRequest
    loggers: RunLoggers

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of the network's outputs for one example; None if only a module knows it."""
        if self.task is None or self.splits is None:
            return None
        return self.task.output_shape(self.splits)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the prunable weights."""
        parameters = dict(self.network.named_parameters())
        return {name: tuple(parameters[name].shape) for name in self.pruning.prunable}

    @property
    def outside(self) -> Mapping[str, int]:
        """Numbers of the parameters without a mask by name, the most first."""
        return count_outside(self.network, self.pruning.prunable)

    @property
    def params(self) -> int:
        """Number of all parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @property
    def starts_workers(self) -> bool:
        """Whether this process starts others that do the training."""
        return self.device.num_processes > self.process.processes

    @property
    def notes(self) -> list[str]:
        """Lines for the user about settings that have no effect."""
        notes = [*self.network_notes, *self.pruning.notes]
        if note := note_on_reinit(self.settings.canonical):
            notes.append(note)
        return notes


def build_experiment(
    settings: Settings, run_dir: RunDir, process: ProcessRank, *, may_write: bool = True
) -> Experiment:
    """Build everything a run needs; nothing but missing data is written, if that may be."""
    device = build_device(settings.trainer, process)
    check_batch(settings.dataset.batch_size, device)
    task = build_task(settings.task, settings.model)
    loggers = build_loggers(
        settings.logger,
        run_dir,
        outputs=Path(settings.output_dir).absolute(),
        settings=shown_settings(settings),
        score=task.score,
    )
    splits = build_splits(settings.dataset, task, may_write=may_write and not settings.dry_run)
    networks = set_up_networks(settings, splits, task, device)
    # before the fit has the network compiled, which changes how it can be called
    count = networks.counter()
    threads = choose_threads(
        settings.trainer.threads,
        networks.network,
        device,
        step_flops=partial(networks.step_flops, settings.dataset.batch_size),
    )
    torch.set_num_threads(threads)
    num_classes = splits.num_classes if has_classes(splits.train) else None
    pruning = set_up_pruning(settings, networks.network, num_classes)
    draw_scores = score_maker(pruning.pruner, settings.seed_for("pruning"))
    data = splits.digests()
    meeting = find_meeting(
        settings, networks, device, data=data, learns_masks=draw_scores is not None
    )
    if meeting:
        device = replace(device, grouped=meeting.size)
    digests = {**data, **file_digests(settings.config), **pruning.digests}
    progress, stop = Progress(score=task.score), StopRequest()
    load_splits: Callable[[], Splits] = partial(
        placed, splits, device.torch_device, networks.dtype, on_gpu=device.data_on_gpu
    )
    if base := networks.base:
        digests[base.name] = base.digest()
        load_splits = partial(
            load_features,
            feature_file(settings, digests=data, base=base, device=device),
            splits=splits,
            base=base,
            device=device,
            dtype=networks.dtype,
            stop=stop,
        )
    if start := networks.start_weights:
        digests[start.name] = start.digest
    load_splits = cache(load_splits)
    fit = build_fit(
        settings,
        run_dir=run_dir,
        device=device,
        network=networks.network,
        splits=splits,
        task=task,
        load_splits=load_splits,
        loggers=loggers,
        progress=progress,
        stop=stop,
        draw_scores=draw_scores,
        meeting=meeting,
    )
    check_criterion(settings, pruning.pruner, splits=splits, task=task, loss=fit.loss)
    steps_per_epoch = settings.dataset.steps_per_epoch(len(splits.train))
    num_steps = settings.iterations.steps(steps_per_epoch)
    check_num_steps(settings, num_steps)
    fit = with_graph(fit, settings, num_steps)
    device = fit.device
    place: Trained = {"host": socket.gethostname(), "hardware": hardware(device)}
    dense = dense_source(
        settings, digests=digests, prunable=pruning.prunable, hardware=place["hardware"]
    )
    fit = replace(fit, made_by=dense.digest)
    reinit = build_reinit(settings, steps_per_epoch, num_steps)
    check_frozen_weights(settings, pruning.pruner, reinit)
    dynamic = build_dynamic(settings, pruning, reinit, num_steps, steps_per_epoch)
    imp = Imp(
        rounds=Rounds(settings.rounds_to_do, settings.pruning.target_sparsity),
        num_steps=num_steps,
        fresh=partial(networks.state, settings.seed_for("init")),
        fit=fit,
        pruning=Pruning(
            pruner=pruning.pruner,
            prunable=pruning.prunable,
            seed=settings.seed_for("pruning"),
            at=settings.pruning.at,
            probe=build_probe_maker(networks, load_splits, loss=fit.loss, device=device),
            early_bird=settings.early_bird.epsilon,
            scored_on_main=pruning.runs_network,
        ),
        reinit=reinit,
        storage=Storage(
            run_dir=run_dir,
            buffers=all_buffers(networks.network).keys(),
            keep=settings.keep,
            dense=dense,
            score=task.score,
            update_summary=loggers.summarise,
        ),
        count=count,
        dynamic=dynamic,
        cost=_train_cost(settings, pruning, dynamic, reinit=reinit, num_steps=num_steps),
        place=place,
    )
    return Experiment(
        imp=imp,
        fit=fit,
        settings=settings,
        digests=digests,
        splits=splits,
        task=task,
        score=task.score,
        network=networks.network,
        pruning=pruning,
        network_notes=networks.notes,
        device=device,
        process=process,
        progress=progress,
        stop=stop,
        loggers=loggers,
    )


def _train_cost(
    settings: Settings,
    pruning: PruningSetup,
    dynamic: Dynamic | None,
    *,
    reinit: Reinit,
    num_steps: int,
) -> TrainCost:
    """Return what counts the FLOPs of training, with all that the masks and starts need."""
    pruner, goes_on = pruning.pruner, reinit.source == "last"
    masks_need_it = (
        isinstance(pruner, ScoredPruner)
        and settings.pruning.at == "trained"
        and trait(pruner.criterion, "needs_training")
    )
    exchanged = (
        isinstance(pruner, ScoredPruner)
        and dynamic is not None
        and not isinstance(dynamic, Static)
        and not starts_dense(dynamic)
    )
    return TrainCost(
        batch_size=settings.dataset.batch_size,
        num_steps=num_steps,
        rewind_step=reinit.rewind_step,
        builds_on_training=bool(masks_need_it or exchanged or goes_on),
        needs_dense_round=bool(masks_need_it and not starts_dense(dynamic)) or goes_on,
        examples_scored=pruning.examples_scored,
        trunk=OpenedRun(settings.trunk) if settings.copying else None,
    )


def check_num_steps(settings: Settings, num_steps: int) -> None:
    """Check that a round has an end in sight."""
    if num_steps > MOST_STEPS:
        asked = f"iterations={settings.config['iterations']}"
        raise ConfigError(f"{asked}: {num_steps} steps; at most {MOST_STEPS}")


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return what loggers show as hyperparameters."""
    return settings.canonical | {"seed": settings.seed}
