"""Our round against a bare PyTorch loop that does the same, in one process, by turns."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch

from lottery.config.experiment import Experiment
from lottery.masks import Masks
from lottery.models.state import State, start_at, write_state

from .bare_loop import BareLoop, Named
from .settings import Setting, experiment

Row = dict[str, Any]


def compare_rounds(settings: dict[str, Setting], repeat: int) -> list[Row]:
    """One row per setting: milliseconds per step, their ratio, whether the weights are equal."""
    return [_compare(name, setting, repeat) for name, setting in settings.items()]


def _compare(name: str, setting: Setting, repeat: int) -> Row:
    with experiment(setting) as prepared:
        masks = some_masks(prepared)
        bare, ours = partial(bare_round, prepared, masks), partial(our_round, prepared, masks)
        bare(), ours()  # the first time everything is slower
        times, equal = [], True
        for _ in range(repeat):
            bare_s, bare_weights = timed(bare)
            ours_s, our_weights = timed(ours)
            times.append((bare_s, ours_s))
            equal &= all(torch.equal(our_weights[n], w.cpu()) for n, w in bare_weights.items())
    ratios = [ours_s / bare_s for bare_s, ours_s in times]
    return {
        "round": name,
        "bare ms/step": 1000 * median(bare_s for bare_s, _ in times) / setting.steps,
        "ours ms/step": 1000 * median(ours_s for _, ours_s in times) / setting.steps,
        "ratio": median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "equal weights": equal,
    }


def timed(work: Callable[[], Named]) -> tuple[float, Named]:
    """Seconds, and what came out."""
    _wait()
    begun = time.perf_counter()
    result = work()
    _wait()
    return time.perf_counter() - begun, result


def _wait() -> None:
    if torch.cuda.is_available():  # kernels run on after the call has returned
        torch.cuda.synchronize()


def some_masks(prepared: Experiment) -> Masks:
    """Masks that keep 80 % of the weights."""
    initial, generator = prepared.imp.fresh("init"), torch.Generator().manual_seed(0)
    return {
        name: torch.rand(initial.weights[name].shape, generator=generator) < 0.8
        for name in prepared.imp.pruning.prunable
    }


def our_round(prepared: Experiment, masks: Masks) -> Named:
    """A round as every run trains it: masks, curves, TensorBoard, progress, checkpoints."""
    start = start_at(prepared.imp.fresh("init"), prepared.imp.num_steps)
    return prepared.imp.fit(0, start, masks, keep_step=None).final.weights


def bare_round(prepared: Experiment, masks: Masks) -> Named:
    """The same training without the framework."""
    # a GPU has other kernels for it, with other bits and times; on a CPU the flag only costs time
    on_gpu = prepared.device.accelerator == "gpu"
    torch.use_deterministic_algorithms(on_gpu and prepared.device.deterministic)
    fit = prepared.fit
    network, factors = start_network(prepared, masks)
    batches = fit.data_order.batches(0, fit.splits.train).rows(0, prepared.imp.num_steps)
    return bare_loop(prepared)(network, batches, factors).weights


def bare_loop(prepared: Experiment) -> BareLoop:
    """The loop over the experiment's data."""
    fit = prepared.fit
    splits = fit.splits
    examples = [(s.inputs, s.targets) for s in (splits.train, splits.val, splits.test)]
    optimization = fit.optimization
    return BareLoop(
        *examples,
        make_optimizer=optimization.make_optimizer,
        every=fit.evaluation.every,
        schedule=optimization.schedule,
    )


def start_network(prepared: Experiment, masks: Masks) -> tuple[torch.nn.Module, Named]:
    """The network at its start, on its device, under masks, which come as factors."""
    fit = prepared.fit
    initial = prepared.imp.fresh("init")
    network = fit.network.to(prepared.device.torch_device)
    pruned = {name: initial.weights[name] * mask for name, mask in masks.items()}
    write_state(network, State(initial.weights | pruned, initial.buffers))
    factors = {
        name: mask.to(prepared.device.torch_device, pruned[name].dtype)
        for name, mask in masks.items()
    }
    return network, factors
