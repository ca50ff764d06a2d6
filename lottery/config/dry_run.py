"""The text of `dry_run=true`: what a run would do."""

import shutil
from math import prod

from lottery.config.experiment import Experiment
from lottery.config.provenance import hardware, versions
from lottery.config.pruning import ladder
from lottery.config.task import name_of
from lottery.record.text_table import describe_outside


def describe(experiment: Experiment) -> str:
    """Return data, device, disk, versions, weights per layer and the ladder of weights left."""
    blocks = [_data(experiment), _machine(experiment), _layers(experiment), _ladder(experiment)]
    if experiment.notes:
        blocks.append("\n".join(experiment.notes))
    return "\n\n".join(blocks)


def _data(experiment: Experiment) -> str:
    splits, imp = experiment.splits, experiment.imp
    data, task, score = "the module's", "the module's", experiment.score
    if splits is not None and experiment.task is not None:
        data = f"{len(splits.train)} train, {len(splits.val)} validation, {len(splits.test)} test"
        data += "" if splits.num_classes is None else f"; {splits.num_classes} classes"
        data, task = f"{data}; input shape {splits.input_shape}", name_of(experiment.task)
    rounds = ", ".join(str(number) for number in imp.rounds.numbers)
    return (
        f"folder      {imp.run_dir.path}\n"
        f"data        {data}\n"
        f"task        {task}; score {score.metric}, {score.direction}\n"
        f"training    {imp.num_steps} steps a round, rounds {rounds}"
    )


def _machine(experiment: Experiment) -> str:
    here = hardware(experiment.device)
    existing = next(p for p in experiment.imp.run_dir.path.parents if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"device      {here['device']}, {here['threads']} threads\n"
        f"disk        {free_gb:.1f} GB free\n"
        f"versions    {names}"
    )


def _layers(experiment: Experiment) -> str:
    shapes, rates = experiment.shapes, experiment.pruning.rates
    width = max(len(name) for name in shapes)
    lines = ["prunable weights"]
    for name, shape in shapes.items():
        rate = f"{100 * rates[name]:g} % a round" if rates else "copied mask"
        lines.append(f"  {name:{width}}  {prod(shape):>11,}  {rate}")
    total = sum(prod(shape) for shape in shapes.values())
    lines.append(f"  {'total':{width}}  {total:>11,}")
    if experiment.outside:
        lines.append(f"  {describe_outside(experiment.outside, experiment.params)}")
    return "\n".join(lines)


def _ladder(experiment: Experiment) -> str:
    setup, pruning = experiment.pruning, experiment.settings.pruning
    if not setup.rates:
        return "remaining   as in the run whose masks are copied"
    whole_units = pruning.units != "none"
    lines = ["remaining filters and neurons" if whole_units else "remaining"]
    share = 1.0
    for number in experiment.imp.rounds.numbers:
        prunings = experiment.settings.num_prunings(number)
        share = ladder(setup, experiment.shapes, prunings, units=whole_units)
        lines.append(f"  round {number:>2}  {100 * share:6.2f} %")
    target = pruning.target_sparsity
    if target is not None and not whole_units and share > 1 - target:
        lines.append(f"  pruning.target_sparsity={target} is not reached; more rounds would")
    return "\n".join(lines)
