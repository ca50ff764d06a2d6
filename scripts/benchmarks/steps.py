"""Where the time of a step goes."""

import time
from collections import defaultdict
from typing import Any

import torch
from torch import nn

from .bare_loop import evaluate
from .rounds import bare_loop, bare_round, our_round, some_masks, start_network, timed
from .settings import Setting, experiment


class Stopwatch:
    """Adds up the time between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = 0.0

    def start(self) -> None:
        """Begin a lap."""
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What was done since the last lap."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def split_steps(settings: dict[str, Setting], repeat: int) -> list[dict[str, Any]]:
    """One row per setting: microseconds a step by stage, and its share of the whole."""
    return [_split(name, setting, repeat) for name, setting in settings.items()]


def _split(name: str, setting: Setting, repeat: int) -> dict[str, Any]:
    with experiment(setting) as prepared:
        masks = some_masks(prepared)
        network, factors = start_network(prepared, masks)
        loop, watch = bare_loop(prepared), Stopwatch()
        optimizer = loop.make_optimizer(network.parameters())
        named = dict(network.named_parameters())
        pruned, values = [named[n] for n in factors], list(factors.values())
        order = prepared.fit.data_order.batches(0, prepared.fit.splits.train)
        batches = order.rows(0, setting.steps)
        for step, rows in enumerate(batches, start=1):
            watch.start()
            inputs, targets = loop.train[0][rows], loop.train[1][rows]
            watch.lap("data")
            loss = nn.functional.cross_entropy(network(inputs), targets)
            watch.lap("forward")
            optimizer.zero_grad()
            loss.backward()
            watch.lap("backward")
            optimizer.step()
            watch.lap("optimizer")
            with torch.no_grad():
                torch._foreach_mul_(pruned, values)
            watch.lap("masks")
            if step % setting.every == 0:
                evaluate(network, loop.val)
                watch.lap("validation")
        extra = [
            timed(lambda: our_round(prepared, masks))[0]
            - timed(lambda: bare_round(prepared, masks))[0]
            for _ in range(repeat)
        ]
    framework = sorted(extra)[len(extra) // 2]
    microseconds = {s: 1e6 * t / setting.steps for s, t in watch.seconds.items()}
    microseconds["framework"] = 1e6 * framework / setting.steps
    return {"step, microseconds": name, **microseconds}
