"""Forests on the features of a ticket's layers, kept in `ticket/hybrid.json` with earlier ones."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lottery.config.frozen_features import CHUNK
from lottery.data import Splits
from lottery.errors import ConfigError
from lottery.forests.features import choose_layers, layer_names
from lottery.forests.measure import SPLITS, Forests, Part, measure_layers
from lottery.measure.evaluate import EVALUATION_BATCH
from lottery.measure.flops import count_flops, weight_uses
from lottery.models.state import State, write_state
from lottery.record.files import write_json
from lottery.record.run_dir import RunDir
from lottery.report.read.forests import RunForests, read_forests
from lottery.report.read.runs import read_run
from lottery.runs.lifecycle import check_writable
from lottery.runs.run_lock import locked
from lottery.seeds import derive_seed
from lottery.tensors import load_tensors
from lottery.ticket.ticket import Ticket
from lottery.ticket.verify import choose_device, find_run, on_features

NUM_TREES = 300  # the Keras study's, of any depth


def make_hybrids(
    ticket: Ticket,
    asked: Sequence[str],
    compared: Sequence[dict[str, Any]],
    device: str,
    data: str | None,
) -> RunForests:
    """Fit forests on the features of layers of a ticket and of the dense network it comes from.

    Args:
        ticket: in its run's folder.
        asked: names of layers, which `check_asked` has seen.
        compared: results from elsewhere, to be kept with them.
        device: "auto", "cpu" or "gpu": where the features are computed.
        data: where the data are now; None for where they were.

    Returns:
        These and the earlier ones.

    Raises:
        ConfigError: the dense network or the data are not to be had.
    """
    run_dir = _run_of(ticket)
    torch.set_num_threads(ticket.entry["threads"])
    here = torch.device(
        "cuda" if choose_device(device, ticket.entry["device"]) == "gpu" else "cpu"
    )
    splits = ticket.splits(data)
    seed = derive_seed(ticket.entry["run"]["seed"], "forest") % 2**32  # scikit-learn's limit
    forests = Forests(NUM_TREES, seed, ticket.entry["threads"])
    about = {
        "round": ticket.entry["round"],
        "num_trees": NUM_TREES,
        "seed": seed,
        "num_test": len(splits.test),
        "commonest": _share_of_commonest(splits.train.targets, splits.test.targets),
    }
    new = [
        about | entry
        for part in _parts(ticket, run_dir, splits, asked, here)
        for entry in measure_layers(part, asked, forests)
    ]
    return _keep(run_dir, new, compared)


def check_asked(ticket: Ticket, asked: Sequence[str]) -> None:
    """Check that a ticket is where its dense network is, and has some layers.

    Raises:
        ConfigError: it is not, or has not; or nothing can be written there.
        DamagedFile: the earlier forests cannot be read.
    """
    run_dir = _run_of(ticket)
    read_forests(read_run(run_dir.path))
    check_writable(run_dir.path)
    networks = [network for network in (ticket.base(), ticket.trained()) if network is not None]
    for name in asked:
        if not any(choose_layers(network, [name]) for network in networks):
            names = ", ".join(name for network in networks for name in layer_names(network))
            raise ConfigError(f"--features {name}: no such layer; there are {names}")


def _run_of(ticket: Ticket) -> RunDir:
    run_dir = find_run(ticket)
    if run_dir is None or run_dir.ticket.path != ticket.folder.path.absolute():
        path = ticket.folder.path
        raise ConfigError(f"{path}: --features needs the ticket in its run's folder, as ticket/")
    return run_dir


def _parts(
    ticket: Ticket, run_dir: RunDir, splits: Splits, asked: Sequence[str], device: torch.device
) -> list[Part]:
    """What has layers that were asked for: the network, or the base and the head over it."""
    pruned, base = ticket.trained(), ticket.base()
    inputs = splits.to(device, ticket.dtype)
    parts, frozen_flops = [], 0
    if base is not None:
        base = base.to(device)
        if choose_layers(base, asked):
            parts.append(Part(base, None, {}, inputs, 0, CHUNK))
        frozen_flops = sum(count_flops(base, weight_uses(base, inputs.input_shape), {}).values())
    if choose_layers(pruned, asked):
        if base is not None:
            train, val, test = (on_features(base, getattr(inputs, name)) for name in SPLITS)
            inputs = Splits(train, val, test, splits.num_classes)
        dense = _dense(ticket, run_dir)
        masks = {name: mask.to(device) for name, mask in ticket.part("masks").items()}
        parts.append(
            Part(
                *(pruned.to(device), dense.to(device), masks),
                *(inputs, frozen_flops, EVALUATION_BATCH),
            )
        )
    return parts


def _dense(ticket: Ticket, run_dir: RunDir) -> nn.Module:
    """The dense network at ES, which every run keeps."""
    network = ticket.trained()
    write_state(network, State(load_tensors(run_dir.round(0).es), buffers={}))
    return network


def _share_of_commonest(train: Tensor, test: Tensor) -> float:
    """The test accuracy of the class that most training examples have."""
    return float((test == train.mode().values).double().mean())


def _keep(
    run_dir: RunDir, forests: Sequence[dict[str, Any]], compared: Sequence[dict[str, Any]]
) -> RunForests:
    """Write these beside the earlier ones; of one round and layer the new one stays."""
    run = read_run(run_dir.path)
    with locked(run_dir.path, wait=True):
        there = read_forests(run)
        kept = {(entry["round"], entry["layer"]): entry for entry in (*there.forests, *forests)}
        others = {(entry["file"], entry["name"]): entry for entry in (*there.compared, *compared)}
        whole = RunForests(run, tuple(kept.values()), tuple(others.values()))
        content = {"forests": whole.forests, "compared": whole.compared}
        write_json(run_dir.ticket.hybrid_json, content)
    return whole
