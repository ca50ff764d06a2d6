"""Keys, groups and options that there are, to suggest one for a word that is none."""

import re
from collections.abc import Sequence
from typing import Any

import yaml
from hydra.errors import ConfigCompositionException, MissingConfigException

from lottery.conf_dir import conf_dir
from lottery.config.run_key import flatten
from lottery.errors import ConfigError
from lottery.nearest import did_you_mean

NO_KEY = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")
NOT_TOP_LEVEL = ("claims", "experiment", "hydra")  # folders of conf/ whose files set no such key


def known_keys() -> set[str]:
    """Return every key that conf/ sets, such as optimizer.lr, and the groups."""
    keys = _keys_of("config.yaml")
    for folder in conf_dir().iterdir():
        if folder.is_dir():
            keys.add(folder.name)
        if folder.is_dir() and folder.name not in NOT_TOP_LEVEL:
            for file in folder.glob("*.yaml"):
                keys |= {f"{folder.name}.{key}" for key in _keys_of(f"{folder.name}/{file.name}")}
    return keys


def _keys_of(file: str) -> set[str]:
    content: Any = yaml.safe_load((conf_dir() / file).read_text(encoding="utf-8"))
    flat = flatten(content) if isinstance(content, dict) else {}
    keys = {key for key in flat if key.partition(".")[0] not in ("defaults", "hydra")}
    groups = {key.rpartition(".")[0] for key in keys}
    return keys | groups - {""}


def named_mistake(error: ConfigCompositionException, words: Sequence[str]) -> ConfigError | None:
    """Return one line for a key or an option that is not there; None for other mistakes."""
    if isinstance(error, MissingConfigException) and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        near = did_you_mean(option, error.options)
        options = "`lottery --help` lists them" if near else ", ".join(error.options)
        line = "; ".join(filter(None, (f"{group}={option}: no such option", near, options)))
        return ConfigError(line)
    found = NO_KEY.match(str(error))
    if found is None:
        return None
    key = found[1]
    typed = next((word for word in words if word.lstrip("+~").partition("=")[0] == key), key)
    return ConfigError(f"{typed}: no such key; {suggest_key(key)}")


def suggest_key(key: str) -> str:
    """Return the nearest key, or else how to find it or to add it to a class."""
    keys, (group, _, name) = known_keys(), key.partition(".")
    if group == "hydra":
        return "`lottery --cfg hydra` prints all of Hydra"
    inside = [known.removeprefix(f"{group}.") for known in keys if known.startswith(f"{group}.")]
    if not inside:
        return did_you_mean(key, keys) or "`lottery --cfg job` prints all"
    near = did_you_mean(name, inside, prefix=f"{group}.")
    add = f"+{key} if the class in {group}._target_ takes it" if "_target_" in inside else ""
    return "; ".join(filter(None, (near, add))) or "`lottery --cfg job` prints all"
