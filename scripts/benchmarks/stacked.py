"""A step of several runs that are trained as one, against the steps of each alone."""

import time
from copy import deepcopy
from statistics import median
from typing import Any

import torch

from lottery.config.experiment import Experiment
from lottery.models.state import write_state
from lottery.training.stacked import NextBlock
from lottery.training.stacked.stack import Stack

from .settings import Setting, experiment

DIGITS = {"LeNet-300-100, digits, batch 60": Setting(("model=lenet_300_100",), "", 0, 1)}
STEPS = 50


def compare_stacked(
    settings: dict[str, Setting], repeat: int, numbers: tuple[int, ...]
) -> list[dict[str, Any]]:
    """One row per setting and number of runs: milliseconds for one step of one run.

    On CPUs it is CPU time. Both kinds of training take turns.
    """
    rows = []
    for name, setting in settings.items():
        with experiment(setting, "iterations=1000", "evaluation.every=1000") as prepared:
            rows += [_compare(name, prepared, repeat, runs) for runs in numbers]
    return rows


def _compare(name: str, prepared: Experiment, repeat: int, runs: int) -> dict[str, Any]:
    alone = [_Run(prepared, run) for run in range(runs)]
    together = [_Run(prepared, run) for run in range(runs)]
    stack = Stack([run.block(0) for run in together])
    spent: dict[str, list[float]] = {"alone": [], "as one": []}
    for number in range(repeat + 1):
        made = number * STEPS
        for kind in spent:
            blocks = [run.block(made) for run in (alone if kind == "alone" else together)]
            begun = _now(prepared)
            if kind == "alone":
                for block in blocks:
                    _train_alone(block)
            else:
                stack.train(blocks, stops=lambda: False)
            spent[kind].append(1000 * (_now(prepared) - begun) / STEPS / runs)
    ms = {kind: median(times[1:]) for kind, times in spent.items()}  # the first warms up
    here = {"a step of one run, ms": name, "runs": runs}
    return {**here, **ms, "ratio": ms["as one"] / ms["alone"]}


class _Run:
    """A run of a seed over the data of a prepared one, with all its weights."""

    def __init__(self, prepared: Experiment, seed: int) -> None:
        fit = prepared.fit
        assert fit is not None
        self.fit, self.seed = fit, seed
        self.network = deepcopy(fit.network).to(fit.device.torch_device)
        write_state(self.network, prepared.imp.fresh("init", seed))
        self.optimizer = fit.optimization.optimizer(self.network)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.pruned = [weight for weight in self.network.parameters() if weight.ndim > 1]
        self.factors = [torch.ones_like(weight) for weight in self.pruned]

    def block(self, made: int) -> NextBlock:
        """The block after some steps."""
        train = self.fit.splits.train
        rows = self.fit.data_order.batches(self.seed, train).rows(made, made + STEPS)
        return NextBlock(
            network=self.network,
            optimizer=self.optimizer,
            pruned=self.pruned,
            factors=self.factors,
            clip_norm=None,
            split=train,
            loss=self.fit.loss,
            rows=rows.to(train.targets.device),
            drawn=None,
            rates=[self.rates] * STEPS,
            made=made,
            restored=False,
            keeps_outputs=True,
        )


def _train_alone(block: NextBlock) -> None:
    for rows in block.rows:
        inputs, targets = block.split.batch(rows)
        loss = block.loss(block.network(inputs), targets)
        block.optimizer.zero_grad()
        loss.backward()
        block.optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(list(block.pruned), list(block.factors))


def _now(prepared: Experiment) -> float:
    if prepared.device.accelerator == "gpu":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
