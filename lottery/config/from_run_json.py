"""A run's settings and its network, rebuilt from its run.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from lottery.config.device import dtype_of
from lottery.config.frozen_base import find_base
from lottery.config.groups import Model, read_group
from lottery.config.module import ModuleMaker
from lottery.config.network_maker import build_network_maker
from lottery.config.replaced import is_supervised
from lottery.config.run_key import PATH_ARGUMENTS
from lottery.config.settings import Settings, read_settings
from lottery.config.task import ONE_LOGIT
from lottery.config.trust import check_paths, check_sizes, check_trusted, making_from
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.seeds import derive_seed


def settings_of_run(run: OpenedRun, *, trust_code: bool, **changes: Mapping[str, Any]) -> Settings:
    """Return the settings that a run was last given, with absolute paths, without its loggers.

    Options that were added since have the value that means what was there before. `changes` are
    other values for single keys of groups.
    """
    where, config = str(run.folder.run_json), run.run_json.get("settings")
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"{where}: written by a version that did not keep all settings; remove it, and the "
            "command that began the run makes a new one"
        )
    silent = {**config, "logger": None, "callbacks": None}
    check_trusted(silent, where, trust_code=trust_code)
    with making_from(where, trust_code=trust_code):
        changed = {group: {**silent[group], **values} for group, values in changes.items()}
        given = {**silent, **changed}
        check_paths(given, where)
        settings = read_settings(given)
        same = read_settings(silent).canonical == run.run_json["config"]
    if not same or settings.seed != run.run_json["seed"]:
        raise DamagedFile(f"{where}: its entries settings and config are of different runs")
    return settings


def data_at(target: str, path: str) -> dict[str, str]:
    """Return the key of the `dataset` group that says where files are, with a new value."""
    argument = PATH_ARGUMENTS.get(target, "dataset.root").removeprefix("dataset.")
    return {argument: str(Path(path).absolute())}


def rebuild_network(run: OpenedRun, *, trust_code: bool) -> nn.Module:
    """Return a run's network with random weights; only the head, if the base is frozen."""
    entry, where = run.run_json, str(run.folder.run_json)
    module = entry.get("settings", {}).get("module")
    if module is not None and not is_supervised({"module": module}):
        check_trusted({"module": module}, where, trust_code=trust_code)
        with making_from(where, trust_code=trust_code):
            return module_of(module, entry["config"]["trainer.precision"], initial_seed(entry))
    check_sizes(entry, where)
    with making_from(where, trust_code=trust_code):
        node = entry.get("settings", {}).get("model") or _unflatten(entry["config"], "model")
        node = {name: value for name, value in node.items() if name != "rates"}
        check_trusted({"model": node}, where, trust_code=trust_code)
        model = read_group(Model, node, "model")
        return network_of(
            model,
            input_shape=entry["input_shape"],
            output_shape=output_shape_of(entry, model),
            precision=entry["config"]["trainer.precision"],
            num_tokens=entry.get("num_tokens"),
            seed=initial_seed(entry),
        )


def module_of(node: Mapping[str, Any], precision: str, seed: int) -> nn.Module:
    """Return a run's LightningModule with its initial weights."""
    return drawn(ModuleMaker(node, dtype_of(precision)), seed)


def initial_seed(entry: Mapping[str, Any]) -> int:
    """Return what a run's initial network was drawn from, by its `seed` and `config`."""
    own = entry["config"].get("seeds.init")
    return derive_seed(derive_seed(entry["seed"] if own is None else own, "init"), "init")


def output_shape_of(entry: Mapping[str, Any], model: Model) -> tuple[int, ...]:
    """Return the shape of an example's outputs by run.json or ticket.json.

    Those of version 0.1 do not name it, and had one output for two classes with this loss.
    """
    number = 1 if model.loss == ONE_LOGIT else entry["num_classes"]
    return tuple(entry.get("output_shape", [number]))


def _unflatten(config: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Return a group of a flat canonical config as nested mappings."""
    node: dict[str, Any] = {}
    for key, value in config.items():
        first, *path, name = key.split(".") if "." in key else ("", key)
        if first == group:
            parent = node
            for step in path:
                parent = parent.setdefault(step, {})
            parent[name] = value
    return node


def network_of(
    model: Model,
    *,
    input_shape: Sequence[int],
    output_shape: tuple[int, ...],
    precision: str,
    num_tokens: int | None,
    seed: int,
) -> nn.Module:
    """Return a run's initial network; only the head, if the base is frozen."""
    base = find_base(model, tuple(input_shape))
    shape = base.feature_shape if base else tuple(input_shape)
    make_network = build_network_maker(
        model,
        input_shape=shape,
        output_shape=output_shape,
        num_tokens=num_tokens,
        dtype=dtype_of(precision),
    )
    # Its weights will be replaced, but how its layers are connected may be drawn too.
    return drawn(make_network, seed)
