"""Forests on the features of a ticket's layers, kept in `ticket/hybrid.json` with earlier ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lottery.config.frozen_features import CHUNK
from lottery.data import Splits
from lottery.data.placement import placed
from lottery.errors import ConfigError
from lottery.forests.features import choose_layers, layer_names
from lottery.forests.measure import SPLITS, ForestOptions, PrunedAndDense, measure_layers
from lottery.measure.evaluate import EVALUATION_BATCH
from lottery.measure.flops import count_flops, find_products
from lottery.models.state import State, write_state
from lottery.record.disk_errors import check_writable
from lottery.record.files import write_json
from lottery.record.opened_run import OpenedRun
from lottery.record.rows import has_validation
from lottery.record.run_dir import RunDir
from lottery.record.score import ACCURACY
from lottery.report.read.forests import RunForests, read_forests
from lottery.runs.run_folder import check_run_folder, check_tree
from lottery.runs.run_lock import locked
from lottery.seeds import derive_seed
from lottery.tensors import load_of_run
from lottery.ticket.ticket import Ticket
from lottery.ticket.verify import choose_device, features_of

NUM_TREES = 300  # as in the Keras study; trees of any depth


@dataclass(frozen=True)
class ForestRequest:
    """The forests that a user asks for; the ticket has the layers."""

    ticket: Ticket  # in the folder of its run
    run: OpenedRun
    layers: Sequence[str]
    compared: Sequence[dict[str, Any]]  # results of other programs, kept with the forests

    @property
    def folder(self) -> RunDir:
        """The files of the run."""
        return self.run.folder


def request_forests(
    ticket: Ticket, layers: Sequence[str], compared: Sequence[dict[str, Any]]
) -> ForestRequest:
    """Check that forests can be made, before any work."""
    run, folder = ticket.run, ticket.folder.path.absolute()
    if run is None or run.folder.ticket.path.absolute() != folder:
        raise ConfigError(
            f"{ticket.folder.path}: --features needs the ticket in its run's folder, as ticket/"
        )
    if run.score != ACCURACY:
        metric = run.score.metric
        raise ConfigError(f"--features: forests need classes, and the run's score is {metric}")
    if not has_validation(run.rows):
        raise ConfigError(f"--features: forests need validation data; {run.path} has none")
    read_forests(run)
    check_run_folder(run.folder)
    check_tree(ticket.folder.path)
    check_writable(run.path.absolute(), "--features")
    networks = [network for network in (ticket.base(), ticket.trained()) if network is not None]
    for name in layers:
        if not any(choose_layers(network, [name]) for network in networks):
            names = ", ".join(name for network in networks for name in layer_names(network))
            raise ConfigError(f"--features {name}: no such layer; there are {names}")
    return ForestRequest(ticket=ticket, run=run, layers=layers, compared=compared)


def make_forests(request: ForestRequest, device: str, data: str | None) -> RunForests:
    """Fit forests on layers' features, in a ticket's network and in the dense one.

    Return these forests and the earlier ones.
    """
    entry = request.ticket.entry
    torch.set_num_threads(entry["threads"])
    here = torch.device("cuda" if choose_device(device, entry["device"]) == "gpu" else "cpu")
    splits = request.ticket.splits(data)
    options = ForestOptions(
        num_trees=NUM_TREES,
        seed=derive_seed(entry["run"]["seed"], "forest") % 2**32,  # scikit-learn's limit
        num_jobs=entry["threads"],
    )
    commonest = splits.train.targets.mode().values
    about = {
        "round": entry["round"],
        "num_trees": options.num_trees,
        "seed": options.seed,
        "num_test": len(splits.test),
        # the test accuracy of always guessing the commonest class of the training split
        "commonest": float((splits.test.targets == commonest).double().mean()),
    }
    forests = [
        about | of_layer
        for networks in _networks(request, splits, here)
        for of_layer in measure_layers(networks, request.layers, options)
    ]
    return _keep(request, forests)


def _networks(
    request: ForestRequest, splits: Splits, device: torch.device
) -> list[PrunedAndDense]:
    """Return what has the layers: the network, or a frozen base and the head over it."""
    ticket = request.ticket
    pruned, dense, base = ticket.trained(), ticket.trained(), ticket.base()
    # every run keeps its dense network at ES
    write_state(dense, State(load_of_run(request.run, request.folder.round(0).es), buffers={}))
    inputs = placed(splits, device, ticket.dtype, on_gpu=None)
    networks, frozen_flops = [], 0
    if base is not None:
        base = base.to(device)
        if choose_layers(base, request.layers):
            networks.append(PrunedAndDense(pruned=base, splits=inputs, batch_size=CHUNK))
        frozen_flops = sum(count_flops(find_products(base, inputs.input_shape), {}).values())
    if choose_layers(pruned, request.layers):
        if base is not None:
            train, val, test = (features_of(base, getattr(inputs, name)) for name in SPLITS)
            inputs = Splits(train, val, test, splits.num_classes)
        networks.append(
            PrunedAndDense(
                pruned=pruned.to(device),
                splits=inputs,
                batch_size=EVALUATION_BATCH,
                dense=dense.to(device),
                masks={name: mask.to(device) for name, mask in ticket.part("masks").items()},
                frozen_flops=frozen_flops,
            )
        )
    return networks


def _keep(request: ForestRequest, forests: Sequence[dict[str, Any]]) -> RunForests:
    """Write forests beside the earlier ones; a new one replaces that of its round and layer."""
    with locked(request.run.path, wait=True):
        there = read_forests(request.run)
        kept = {(entry["round"], entry["layer"]): entry for entry in [*there.forests, *forests]}
        others = {
            (entry["file"], entry["name"]): entry for entry in [*there.compared, *request.compared]
        }
        results = RunForests(request.run, tuple(kept.values()), tuple(others.values()))
        content = {"forests": results.forests, "compared": results.compared}
        write_json(request.folder.ticket.hybrid_json, content)
    return results
