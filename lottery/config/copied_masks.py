"""The run that masks are copied from (`criterion=copy`): found, checked, its round 0 shared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lottery.config.run_key import canonical, copies_masks, shapes_dense_round
from lottery.errors import ConfigError
from lottery.record.records import read_record, read_run_json
from lottery.record.run_dir import RunDir
from lottery.reinit import Reinit
from lottery.tensors import Tensors, digest, load_tensors


def choose_rounds(config: Mapping[str, Any]) -> list[int]:
    """The rounds to do: 0 ... rounds; 0 and 1 in one shot; or those of `criterion.rounds`."""
    if copies_masks(config):
        some = config["criterion"]["rounds"]
        if some is not None:
            return [0, *sorted(set(some))]
        return list(range(config["rounds"] + 1))
    last = config["rounds"]
    return list(range(1 + (min(last, 1) if config["pruning"]["one_shot"] else last)))


def check_goes_on(config: Mapping[str, Any], reinit: Reinit) -> None:
    """Check that a copying run whose rounds go on from one another can do so.

    Args:
        config: the composed config.
        reinit: may start from the end of the last round.

    Raises:
        ConfigError: rounds are left out, or masks are shuffled over weights that are masked.
    """
    if reinit.source != "last":
        return
    rounds, shuffle = config["criterion"]["rounds"], config["criterion"]["shuffle"]
    if rounds is not None:
        raise ConfigError(
            f"criterion.rounds={rounds}: null with this reinit, "
            "where each round goes on from the one before"
        )
    if shuffle != "none":
        raise ConfigError(
            f"criterion.shuffle={shuffle}: none with this reinit, which goes on from weights that "
            "are pruned in other places; a random ticket starts from dense weights"
        )


def find_trunk(config: Mapping[str, Any]) -> RunDir:
    """The run named by `criterion.run`, itself or, by the folder above, the one of this seed.

    Raises:
        ConfigError: it is no run.
    """
    named = config["criterion"]["run"]
    if named is None:
        raise ConfigError("criterion.run=null: the folder of a finished run to copy masks from")
    for path in (Path(named), Path(named) / f"seed_{config['seed']}"):
        if (path / "run.json").exists():
            return RunDir(path.absolute())
    raise ConfigError(f"criterion.run={named}: not the folder of a run (no run.json in it)")


def check_trunk(config: Mapping[str, Any], weights: Tensors) -> None:
    """Check that the run to copy from has the rounds, and that its masks fit the network.

    Raises:
        ConfigError: it is no run, lacks a round, or fits another network.
    """
    trunk = find_trunk(config)
    for number in choose_rounds(config):
        if not trunk.round(number).finished:
            raise ConfigError(f"criterion.run={trunk.path}: it has no finished round {number}")
        for name, mask in load_tensors(trunk.round(number).masks).items():
            if name not in weights or weights[name].shape != mask.shape:
                here = tuple(weights[name].shape) if name in weights else "no such weight"
                raise ConfigError(
                    f"criterion.run={trunk.path}: its masks fit another network: "
                    f"{name} {tuple(mask.shape)}, here {here}"
                )


def trunk_digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the masks that are copied."""
    trunk = find_trunk(config)
    return {
        f"criterion.run round {number} masks": digest(load_tensors(trunk.round(number).masks))
        for number in choose_rounds(config)
    }


def shared_dense_round(
    config: Mapping[str, Any], reinit: Reinit, digests: Mapping[str, str]
) -> RunDir | None:
    """The trunk, where its round 0 is this run's and has the states this run's reinit needs.

    Args:
        config: the composed config.
        reinit: may need the state of a step, or the optimizer's.
        digests: of what this run rests on.
    """
    trunk = find_trunk(config)
    entry = read_run_json(trunk)
    folder = trunk.round(0)
    theirs = shapes_dense_round(entry["config"], entry["seed"])
    ours = shapes_dense_round(canonical(config), config["seed"])
    same = theirs == ours and _foundations(entry["digests"]) == _foundations(digests)
    if same and reinit.rewind_step:
        stored_step = read_record(folder)["checks"]["rewind_step"]
        same = folder.rewind.exists() and stored_step == reinit.rewind_step
    if reinit.carries_optimizer:
        same &= folder.final_optimizer.exists()
    return trunk if same else None


def _foundations(digests: Mapping[str, str]) -> dict[str, str]:
    """The digests round 0 rests on: all but those of copied masks."""
    return {name: d for name, d in digests.items() if not name.startswith("criterion.run ")}
