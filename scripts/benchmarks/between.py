"""What is done between two trainings: prune, rewind, check, save, tables, TensorBoard."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from lottery.imp import run_rounds

from .settings import Setting, experiment

ROUNDS = 4


def time_between(settings: dict[str, Setting], repeat: int) -> list[dict[str, Any]]:
    """One row per setting: milliseconds a round by part, and the share of a round."""
    return [_time(name, setting, repeat) for name, setting in settings.items()]


def _time(name: str, setting: Setting, repeat: int) -> dict[str, Any]:
    runs = [_time_once(setting) for _ in range(repeat)]
    row: dict[str, Any] = {"between rounds": name}
    for part in runs[0]:
        row[f"{part} ms"] = 1000 * median(run[part] for run in runs) / (ROUNDS + 1)
    row["share of a round %"] = median(100 * (1 - run["training"] / run["all"]) for run in runs)
    return row


def _time_once(setting: Setting) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)

    def watched(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                seconds[part] += time.perf_counter() - begun

        return call

    with experiment(setting, f"rounds={ROUNDS}") as prepared:
        imp = prepared.imp
        summary = watched("TensorBoard", imp.storage.update_summary)
        storage = replace(imp.storage, update_summary=summary)
        watching = replace(imp, fit=watched("training", imp.fit), storage=storage)
        watched("all", run_rounds)(watching)
    return {part: seconds[part] for part in ("all", "training", "TensorBoard")}
