"""The plan of a run as text: what `dry_run=true` prints."""

import shutil
from math import prod

from lottery.config.experiment import Experiment
from lottery.config.provenance import machine, versions
from lottery.config.pruning import ladder


def describe(experiment: Experiment) -> str:
    """Data, device, disk, versions, weights per layer and the ladder of remaining weights."""
    parts = [_data(experiment), _machine(experiment), _layers(experiment), _ladder(experiment)]
    return "\n\n".join(parts)


def _data(experiment: Experiment) -> str:
    splits = experiment.splits
    counts = f"{len(splits.train)} train, {len(splits.val)} validation, {len(splits.test)} test"
    return (
        f"folder      {experiment.imp.run_dir.path}\n"
        f"data        {counts}; {splits.num_classes} classes; input shape {splits.input_shape}\n"
        f"training    {experiment.imp.num_steps} steps a round, rounds {_rounds(experiment)}"
    )


def _rounds(experiment: Experiment) -> str:
    return ", ".join(str(number) for number in experiment.imp.rounds.numbers)


def _machine(experiment: Experiment) -> str:
    here = machine(experiment.device.accelerator)
    existing = next(p for p in experiment.imp.run_dir.path.parents if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"device      {here['device']}, {here['threads']} threads\n"
        f"disk        {free_gb:.1f} GB free\n"
        f"versions    {names}"
    )


def _layers(experiment: Experiment) -> str:
    width = max(len(name) for name in experiment.shapes)
    lines = ["prunable weights"]
    for name, shape in experiment.shapes.items():
        rate = (
            f"{100 * experiment.plan.rates[name]:g} % a round"
            if experiment.plan.rates
            else "copied mask"
        )
        lines.append(f"  {name:{width}}  {prod(shape):>11,}  {rate}")
    total = sum(prod(shape) for shape in experiment.shapes.values())
    lines.append(f"  {'total':{width}}  {total:>11,}")
    return "\n".join(lines)


def _ladder(experiment: Experiment) -> str:
    if not experiment.plan.rates:
        return "remaining   as in the run whose masks are copied"
    pruning, plan = experiment.config["pruning"], experiment.plan
    one_shot, units = pruning["one_shot"], pruning["units"]
    lines = ["remaining" if units == "none" else "remaining filters and neurons"]
    share = 1.0
    for number in experiment.imp.rounds.numbers:
        prunings = number * (one_shot or 1)
        share = ladder(plan.scope, experiment.shapes, plan.rates, prunings, units)
        lines.append(f"  round {number:>2}  {100 * share:6.2f} %")
    target = pruning["target_sparsity"]
    if target is not None and units == "none" and share > 1 - target:
        lines.append(f"  pruning.target_sparsity={target} is not reached; more rounds would")
    return "\n".join(lines)
