"""The networks that are compared: masks and stored weights of a round, read from disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from lottery.comparison.connections import fits_a_chain
from lottery.errors import ConfigError
from lottery.masks import Masks
from lottery.record.files import damaged
from lottery.record.opened_run import OpenedRun
from lottery.tensors import Tensors, load_of_run

# Networks of ours in which each layer feeds the next one and no other.
CHAINS = {
    f"lottery.models.{name}"
    for name in ("LeNet300100", "LeNet5", "ConvN", "VGG", "VGG16", "VGG19", "VGG16Head")
}


@dataclass(frozen=True)
class Network:
    """A round of a run: its masks, in the order of its layers, and weights of these layers."""

    label: str  # of the run
    round: int
    path: Path  # of the run
    masks: Masks
    initial: Tensors  # W_0, of round 0
    start: Tensors | None  # None: keep=winner has dropped it, or it has other masks
    final: Tensors | None
    is_chain: bool  # whether each layer feeds the next one and no other
    has_moved: bool = False  # whether masks moved while it trained


Reader = Callable[[int, int], Network]


def make_reader(runs: Sequence[OpenedRun], labels: Sequence[str]) -> Reader:
    """Return a function that reads a run's round: `read(number of the run, round)`.

    It keeps what the next pair needs, because large networks would not all fit into memory.
    """

    @lru_cache(maxsize=len(runs))
    def initial(index: int) -> Tensors:
        run = runs[index]
        return load_of_run(run, run.folder.round(0).start)

    @lru_cache(maxsize=max(3, len(runs)))
    def read(index: int, number: int) -> Network:
        run, folder = runs[index], runs[index].folder.round(number)
        masks = _read_masks(run, number)
        moved = run.masks_moved(number)
        first = _of_layers(initial(index), masks, run.folder.round(0).start)
        start = first if number == 0 else _read_weights(run, folder.start, masks)
        return Network(
            label=labels[index],
            round=number,
            path=run.path,
            masks=masks,
            initial=first,
            start=None if moved else start,
            final=_read_weights(run, folder.final, masks),
            is_chain=_is_chain(run, masks, initial(index)),
            has_moved=moved,
        )

    return read


def _read_masks(run: OpenedRun, number: int) -> Masks:
    """Read a round's masks in the order of its layers; a file has lost it."""
    file, layers = run.folder.round(number).masks, run.record(number)["layers"]
    there = load_of_run(run, file)
    sizes = {name: mask.numel() for name, mask in there.items()}
    if sizes != {name: counts["weights"] for name, counts in layers.items()}:
        raise damaged(file, "its layers are not those of the round's record", _repair(file))
    for name, mask in there.items():
        if mask.dtype != torch.bool:
            fault = f"{name} is of {mask.dtype}, a mask is of torch.bool"
            raise damaged(file, fault, _repair(file))
    return {name: there[name] for name in layers}


def _read_weights(run: OpenedRun, file: Path, masks: Masks) -> Tensors | None:
    """Read a round's weights of the layers with masks; None if keep=winner has dropped them."""
    return _of_layers(load_of_run(run, file), masks, file) if file.exists() else None


def _of_layers(weights: Tensors, masks: Masks, file: Path) -> Tensors:
    for name, mask in masks.items():
        if name not in weights or weights[name].shape != mask.shape:
            raise damaged(file, f"{name} is missing or of another shape", _repair(file))
    return {name: weights[name] for name in masks}


def _repair(file: Path) -> str:
    return f"remove {file.parent} to do that round again"


def _is_chain(run: OpenedRun, masks: Masks, weights: Tensors) -> bool:
    """Return whether a network is a chain of layers, all of which have masks."""
    whole = all(name in masks for name, weight in weights.items() if weight.dim() > 1)
    is_ours = run.config.get("model._target_") in CHAINS
    return is_ours and whole and fits_a_chain(list(masks.values()))


def check_same_network(first: Network, second: Network) -> None:
    """Check that two networks have the same layers.

    Raises:
        ConfigError: a layer is missing in one, or has another shape.
    """
    here, there = (
        {name: tuple(mask.shape) for name, mask in network.masks.items()}
        for network in (first, second)
    )
    if here == there:
        return
    name = next(n for n in [*here, *there] if here.get(n) != there.get(n))
    ours, theirs = (str(shapes.get(name, "no mask")) for shapes in (here, there))
    raise ConfigError(
        f"{second.path}: another network than {first.path}: {name} has {theirs}, not {ours}"
    )
