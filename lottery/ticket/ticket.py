"""A ticket on disk, opened: its network, masks and data again, from its folder alone."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.from_run_json import complete_dataset, data_at, network_of
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.groups import build_splits, dtype_of
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.masks import Masks
from lottery.models.state import State, write_state
from lottery.record.results import read_run_json
from lottery.record.run_dir import RunDir, TicketDir
from lottery.tensors import Tensors, save_tensors
from lottery.ticket import FORMS, WEIGHTS, load_part, read_ticket

BASE, HEAD = "base", "head"  # of a network over a frozen base


@dataclass(frozen=True)
class Ticket:
    """A ticket whose files are what was written.

    Args:
        folder: its files.
        entry: the content of ticket.json.
    """

    folder: TicketDir
    entry: Mapping[str, Any]

    def network(self, weights: str = "es") -> nn.Module:
        """The whole network, which takes images, in evaluation mode.

        Over a frozen base it is a Sequential of `base` and `head`.

        Args:
            weights: "es", "final", "start" or "initial".

        Raises:
            ValueError: there are no such weights.
            ConfigError: the network's class is not to be had any more.
        """
        trained, base = self.trained(weights), self.base()
        if base is None:
            return trained
        return nn.Sequential(OrderedDict([(BASE, base), (HEAD, trained)])).eval()

    def trained(self, weights: str = "es") -> nn.Module:
        """What was trained and pruned: the network, or the head over a frozen base."""
        if weights not in WEIGHTS:
            raise ValueError(f"weights={weights!r}: one of {', '.join(WEIGHTS)}")
        entry = self.entry
        network = network_of(
            entry["model"],
            input_shape=entry["input_shape"],
            num_classes=entry["num_classes"],
            precision=entry["precision"],
            num_tokens=entry.get("num_tokens"),
        )
        write_state(network, State(load_part(self.folder, weights), buffers={}))
        return network.eval()

    def base(self) -> nn.Module | None:
        """The frozen base with its weights, where the network has one."""
        frozen = self._frozen
        if frozen is None:
            return None
        with torch.random.fork_rng(devices=[]):
            base = frozen.network(frozen.input_shape)
        write_state(base, State(load_part(self.folder, BASE), buffers={}))
        return base.to(self.dtype).eval().requires_grad_(False)

    def masks(self) -> Masks:
        """Masks by the names of the whole network's parameters, True = kept."""
        prefix = f"{HEAD}." if self._frozen else ""
        return {f"{prefix}{name}": mask for name, mask in self.part("masks").items()}

    def part(self, name: str) -> Tensors:
        """A tensor file's content: initial, start, es, final, masks or base."""
        return load_part(self.folder, name)

    def export(self, form: str, weights: str = "es") -> Path:
        """Write weights in another form, of a frozen base's network the head's.

        Args:
            form: "prune" or "csr".
            weights: "es", "final" or "start".

        Returns:
            The file, beside the ticket's own.
        """
        path = self.folder.export(weights, form)
        save_tensors(path, FORMS[form](self.part(weights), self.part("masks")))
        return path

    def is_of(self, run_dir: RunDir) -> bool:
        """Whether it was taken out of this run, or one with the same settings and seed."""
        entry, ours = read_run_json(run_dir), self.entry["run"]
        return bool((entry["key"], entry["seed"]) == (ours["key"], ours["seed"]))

    def splits(self, data: str | None = None) -> Splits:
        """The run's data, fetched where they are missing and the run would have done so.

        Args:
            data: where they are now, if not where they were: `dataset.root`, or the folder or file
                of a dataset that does not use it.

        Raises:
            ConfigError: they cannot be read, or are not what the run had.
        """
        node = complete_dataset(self.entry["dataset"])
        if data is not None:
            node |= data_at(node["_target_"], data)
        splits = build_splits(node, may_write=True)
        here, there = splits.digests(), self.entry["digests"]
        if data is not None:  # a folder of images may have another name there
            here, there = _without_folder(here), _without_folder(there)
        differing = sorted(name for name in here if here[name] != there.get(name))
        if differing:
            raise ConfigError(f"dataset: other content than the run's of {', '.join(differing)}")
        return splits

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return dtype_of(self.entry["precision"])

    @cached_property
    def _frozen(self) -> FrozenBase | None:
        return find_base(self.entry["model"], tuple(self.entry["input_shape"]), seed=0)


def open_ticket(path: str | Path) -> Ticket:
    """The ticket in a run's folder, or in its own.

    Raises:
        FileNotFoundError: there is none.
        DamagedFile: one of its files is not what was written.
        ConfigError: the ticket in the run's folder is of another run.
    """
    folder, run_dir = find_ticket(Path(path)), RunDir(Path(path))
    if folder is None:
        raise FileNotFoundError(f"{path}: no ticket in it; `lottery-ticket {path}` takes it out")
    ticket = Ticket(folder, read_ticket(folder))
    if run_dir.run_json.exists() and not ticket.is_of(run_dir):
        ours = ticket.entry["run"]
        raise ConfigError(
            f"{folder.path}: of another run, {ours['name']} with seed {ours['seed']}; remove it, "
            "or name it itself to look at it as it is"
        )
    return ticket


def find_ticket(path: Path) -> TicketDir | None:
    """The ticket in a run's folder, or in its own, if there is one."""
    if TicketDir(path).ticket_json.exists():
        return TicketDir(path)
    ours = RunDir(path).ticket
    return ours if ours.path.exists() else None


def _without_folder(digests: Mapping[str, str]) -> dict[str, str]:
    """`pets/metadata.csv` and `the images in pets/` by names that the folder has no part in."""
    return {
        f"{name.rpartition(' ')[0]}{name.rpartition('/')[2]}": digest
        for name, digest in digests.items()
    }
