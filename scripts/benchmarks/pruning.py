"""One exact pruning, against `torch.kthvalue` alone: time, and memory beyond the weights'."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from lottery.pruning import Global, Layerwise, Magnitude, ScoredPruner, Trained

SIZES = (300_000, 20_000_000, 138_000_000)  # LeNet-300-100, VGG-19, VGG-16 with ImageNet's head
QUICK_SIZES = (300_000,)


def time_pruning(sizes: tuple[int, ...], repeat: int) -> list[dict[str, Any]]:
    """One row per scope and size; three quarters of the weights are in one layer, as in VGG-16."""
    return [_time(scope, size, repeat) for size in sizes for scope in (Global(), Layerwise())]


def _time(scope: Global | Layerwise, size: int, repeat: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    large = size * 3 // 4
    weights = {
        name: torch.randn(count, generator=generator)
        for name, count in (("large", large), ("small", size - large))
    }
    masks = {name: torch.rand(w.shape, generator=generator) < 0.8 for name, w in weights.items()}
    trained = Trained(1, weights, weights, masks, generator)
    pruner = ScoredPruner(Magnitude(), scope, dict.fromkeys(weights, 0.2))
    pruning_s, pruning_bytes = _measure(lambda: pruner(trained), repeat)
    joined = torch.cat(list(weights.values()))
    kthvalue_s, kthvalue_bytes = _measure(lambda: torch.kthvalue(joined, size // 5), repeat)
    return {
        "pruning": f"{type(scope).__name__.lower()}, {size / 1e6:g} M weights",
        "ours ms": 1000 * pruning_s,
        "kthvalue ms": 1000 * kthvalue_s,
        "ratio": pruning_s / kthvalue_s,
        "peak / weights": pruning_bytes / (4 * size),
        "kthvalue's": kthvalue_bytes / (4 * size),
    }


def _measure(work: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Median seconds, and the most bytes of memory beyond those there were before."""
    times, peaks = [], []
    for _ in range(repeat):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: forget the highest so far
        before = _status("VmRSS")
        begun = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - begun)
        peaks.append(_status("VmHWM") - before)
        del result
    return median(times), median(peaks)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * float(line.split()[1])
