"""`criterion=copy`: the run that masks are copied from, its trunk, checked."""

from collections.abc import Mapping

import torch

from lottery.config.run_key import shapes_dense_round
from lottery.config.settings import Settings
from lottery.errors import ConfigError
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.tensors import Tensors, digest, load_of_run


def inspect_trunk(settings: Settings, weights: Tensors) -> tuple[list[str], dict[str, str]]:
    """Load and check every mask to copy; return the names of prunable weights, and digests."""
    trunk, names, digests = OpenedRun(settings.trunk), set[str](), {}
    for number in settings.rounds_to_do:
        if number not in trunk.finished_rounds:
            raise ConfigError(f"criterion.run={trunk.path}: it has no finished round {number}")
        path = trunk.folder.round(number).masks
        masks = load_of_run(trunk, path)
        for name, mask in masks.items():
            if mask.dtype != torch.bool:
                raise DamagedFile(f"{path}: {name} is of {mask.dtype}, a mask is of torch.bool")
            if name not in weights or weights[name].shape != mask.shape:
                here = tuple(weights[name].shape) if name in weights else "no such weight"
                raise ConfigError(
                    f"criterion.run={trunk.path}: its masks fit another network: "
                    f"{name} {tuple(mask.shape)}, here {here}"
                )
        names |= masks.keys()
        digests[f"criterion.run round {number} masks"] = digest(masks)
    return [name for name in weights if name in names], digests


def trunk_of_equal_shape(settings: Settings, digests: Mapping[str, str]) -> RunDir | None:
    """Return the trunk if its round 0 is also this run's: equal in all settings that shape it."""
    if settings.copying is None or not settings.adopt:
        return None
    entry = OpenedRun(settings.trunk).run_json
    theirs = shapes_dense_round(entry["config"], entry["seed"])
    ours = shapes_dense_round(settings.canonical, settings.seed)
    if theirs != ours or without_masks(entry["digests"]) != without_masks(digests):
        return None
    return settings.trunk


def without_masks(digests: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of what a run rests on, without those of the masks that it copies."""
    return {name: d for name, d in digests.items() if not name.startswith("criterion.run ")}
