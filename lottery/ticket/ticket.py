"""A ticket on disk, opened: its network, masks and data, made from its folder alone."""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lottery.config.device import dtype_of
from lottery.config.from_run_json import (
    data_at,
    initial_seed,
    module_of,
    network_of,
    output_shape_of,
)
from lottery.config.frozen_base import FrozenBase, find_base
from lottery.config.groups import Dataset, Group, Model, read_group
from lottery.config.groups import Task as TaskSettings
from lottery.config.replaced import is_supervised
from lottery.config.splits import build_splits
from lottery.config.task import build_task
from lottery.config.trust import check_paths, check_sizes, check_trusted, making_from
from lottery.data import Splits
from lottery.errors import MISTAKE, ConfigError, LotteryError
from lottery.generators import kept_generators
from lottery.masks import Masks
from lottery.models.state import State, write_state
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir, TicketDir
from lottery.record.schema import TicketJson, TicketLoops
from lottery.runs.run_folder import check_tree
from lottery.tasks import Task
from lottery.tensors import Tensors, save_tensors
from lottery.ticket.export import FORMS
from lottery.ticket.files import WEIGHTS, load_part, read_ticket

BASE, HEAD = "base", "head"  # names of the two parts of a network over a frozen base


class NoTicket(LotteryError, FileNotFoundError):
    """There is no ticket in a folder; the message names the folder."""

    exit_code = MISTAKE


@dataclass(frozen=True)
class Ticket:
    """A ticket whose files are what was written."""

    folder: TicketDir
    entry: TicketJson
    parent: OpenedRun  # the folder above; it need not be a run's
    trust_code: bool  # whether to make classes that are not ours or torch's

    @property
    def run(self) -> OpenedRun | None:
        """The run whose folder the ticket is in, if the ticket was taken out of that run.

        Another run with the same settings and seed will do.
        """
        if not self.parent.folder.run_json.exists():
            return None
        there, ours = self.parent.run_json, self.entry["run"]
        same = (there["key"], there["seed"]) == (ours["key"], ours["seed"])
        return self.parent if same else None

    def network(self, weights: str = "es") -> nn.Module:
        """Return the whole network, which takes images, in evaluation mode.

        Over a frozen base it is a Sequential of `base` and `head`.
        """
        trained, base = self.trained(weights), self.base()
        if base is None:
            return trained
        return nn.Sequential(OrderedDict([(BASE, base), (HEAD, trained)])).eval()

    def trained(self, weights: str = "es") -> nn.Module:
        """Return what was trained and pruned: the network, or the head over a frozen base."""
        if weights not in WEIGHTS:
            raise ValueError(f"weights={weights!r}: one of {', '.join(WEIGHTS)}")
        with self.making():
            network = self._random_network()
            write_state(network, State(load_part(self.folder, weights), buffers={}))
        return network.eval()

    def _random_network(self) -> nn.Module:
        entry, seed = self.entry, initial_seed(self.entry["run"])
        if self.module is not None and self.has_users_module:
            return module_of(self.module, entry["precision"], seed)
        return network_of(
            model=self.model,
            input_shape=entry["input_shape"],
            output_shape=output_shape_of(entry, self.model),
            precision=entry["precision"],
            num_tokens=entry.get("num_tokens"),
            seed=seed,
        )

    def base(self) -> nn.Module | None:
        """Return the frozen base with its weights; None for a network without one."""
        frozen = self._frozen
        if frozen is None:
            return None
        with self.making(), kept_generators():
            base = frozen.network(frozen.input_shape)
            write_state(base, State(load_part(self.folder, BASE), buffers={}))
        return base.to(self.dtype).eval().requires_grad_(False)

    def masks(self) -> Masks:
        """Return the masks by the names of the whole network's parameters, True = kept."""
        prefix = f"{HEAD}." if self._frozen else ""
        return {f"{prefix}{name}": mask for name, mask in self.part("masks").items()}

    def part(self, name: str) -> Tensors:
        """Return the content of a tensor file: initial, start, es, final, masks or base."""
        return load_part(self.folder, name)

    def export(self, form: str, weights: str = "es") -> Path:
        """Write weights in another form; over a frozen base, the head's weights."""
        path = self.folder.export(weights, form)
        check_tree(self.folder.path)
        save_tensors(path, FORMS[form](self.part(weights), self.part("masks")))
        return path

    def splits(self, data: str | None = None) -> Splits:
        """Return the run's data, which are now in `data`: a root, an image folder or a table.

        They are fetched there if they are missing; where the ticket says, nothing is written.
        """
        may_write = data is not None or self.trust_code
        if self.module is not None:
            raise ConfigError(
                f"{self.folder.path}: of a run with module=, whose data only the module's own "
                "loops read"
            )
        with self.making():
            splits = build_splits(self.settings(data)[1], self.task, may_write=may_write)
        here, there = splits.digests(), self.entry["digests"]
        if data is not None:  # the folder of images may have another name now
            here, there = _without_folder(here), _without_folder(there)
        differing = sorted(name for name in here if here[name] != there.get(name))
        if differing:
            raise ConfigError(f"dataset: other content than the run's of {', '.join(differing)}")
        return splits

    @cached_property
    def module(self) -> Mapping[str, Any] | None:
        """The LightningModule of a run with `module=`, by its class and arguments."""
        node = self.entry.get("module")
        if node is not None:
            where = str(self.folder.ticket_json)
            check_trusted({"module": node}, where, trust_code=self.trust_code)
        return node

    @property
    def has_users_module(self) -> bool:
        """Whether the network is a user's module; ours trains the network of `model`."""
        return self.module is not None and not is_supervised({"module": self.module})

    @cached_property
    def loops(self) -> TicketLoops | None:
        """What the module's test needs; None if the ticket does not say."""
        loops = self.entry.get("loops")
        if loops is not None:
            node, where = {"datamodule": loops["datamodule"]}, str(self.folder.ticket_json)
            check_trusted(node, where, trust_code=self.trust_code)
            check_paths(node, where)
        return loops

    @cached_property
    def task(self) -> Task:
        """What the network was trained for."""
        settings = self._read(TaskSettings, self.entry.get("task", {}), "task")
        with self.making():
            return build_task(settings, self.model)

    @cached_property
    def model(self) -> Model:
        """The settings of the network."""
        return self._read(Model, self.entry["model"], "model")

    def settings(self, data: str | None = None) -> tuple[Model, Dataset]:
        """Return the settings of the network, and of the data, which may be in `data` now."""
        node = dict(self.entry["dataset"])
        if data is not None:
            node |= data_at(str(node.get("_target_")), data)
        return self.model, self._read(Dataset, node, "dataset")

    def _read(self, kind: type[Group], node: Mapping[str, Any], name: str) -> Group:
        where = str(self.folder.ticket_json)
        check_trusted({name: node}, where, trust_code=self.trust_code)
        check_paths({name: node}, where)
        if not self.has_users_module:
            check_sizes(self.entry, where)
        with self.making():
            return read_group(kind, node, name)

    def making(self) -> AbstractContextManager[None]:
        """Blame ticket.json for what goes wrong meanwhile."""
        return making_from(str(self.folder.ticket_json), trust_code=self.trust_code)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return dtype_of(self.entry["precision"])

    @cached_property
    def _frozen(self) -> FrozenBase | None:
        if self.module is not None:
            return None
        return find_base(self.model, tuple(self.entry["input_shape"]))


def open_ticket(path: str | Path, parent: OpenedRun | None = None, *, trust_code: bool) -> Ticket:
    """Open the ticket in a run's folder, or in its own; `parent` is that run, if it is open."""
    folder = find_ticket(Path(path))
    if folder is None:
        raise NoTicket(f"{path}: no ticket in it; `lottery-ticket {path}` takes it out")
    parent = parent or OpenedRun(RunDir(folder.path.absolute().parent))
    ticket = Ticket(folder, read_ticket(folder), parent, trust_code)
    in_run = folder.path != Path(path) and parent.folder.run_json.exists()
    if in_run and ticket.run is None:
        ours = ticket.entry["run"]
        raise ConfigError(
            f"{folder.path}: taken out of another run, {ours['name']} with seed {ours['seed']}; "
            "remove it, or name its own folder to look at it as it is"
        )
    return ticket


def find_ticket(path: Path) -> TicketDir | None:
    """Return the ticket in a run's folder, or in its own; None if there is none."""
    if TicketDir(path).ticket_json.exists():
        return TicketDir(path)
    ours = RunDir(path).ticket
    return ours if ours.path.exists() else None


def _without_folder(digests: Mapping[str, str]) -> dict[str, str]:
    """Return digests by names without the folder of the images.

    `pets/metadata.csv` becomes `metadata.csv`, `the images in pets/` becomes `the images in`.
    """
    return {
        f"{name.rpartition(' ')[0]}{name.rpartition('/')[2]}": digest
        for name, digest in digests.items()
    }
