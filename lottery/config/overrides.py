"""Overrides, before Hydra composes them: what it would end in a traceback, and dicts of Python."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from os import PathLike
from traceback import walk_tb
from types import BuiltinFunctionType, FunctionType
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)

from lottery.conf_dir import conf_dir
from lottery.config.known_keys import named_mistake
from lottery.config.rules import first_line, show
from lottery.errors import ConfigError

CLASSES = (type, FunctionType, BuiltinFunctionType)  # what `_target_` may name


def check_overrides(words: Iterable[str]) -> None:
    """Check that config groups are given names of options, and that our callback stays.

    Words that are no overrides are left to Hydra, which names the mistake itself.
    """
    for word in words:
        try:
            override = _parse(word)
        except HydraException:
            continue
        except ValueError as error:  # a number of thousands of digits
            raise ConfigError(f"{show(word)}: {first_line(error)}") from error
        if not override.key_or_group:
            raise ConfigError(f"{word}: a setting is written as KEY=VALUE, without spaces")
        if override.key_or_group.startswith("hydra.callbacks.gate"):
            raise ConfigError(f"{word}: this callback is lottery's own and stays as it is")
        names_options = override.value_type is ValueType.GLOB_CHOICE_SWEEP
        if names_options or not _is_group(override.key_or_group):
            continue
        values: Iterable[Any] = [override.value()]
        if override.is_sweep_override():
            values = (_parse(f"a={text}").value() for text in override.sweep_string_iterator())
        for value in values:
            items = value if isinstance(value, list) else [value]
            named = all(isinstance(item, str) and item for item in items)
            if override.is_delete():
                named = value is None or isinstance(value, str)
            if not named and not isinstance(value, dict):
                line = f"{override.key_or_group}={show(value)}"
                raise ConfigError(f"{line}: the name of an option; `lottery --help` lists them")


@contextmanager
def composing(words: Iterable[str]) -> Iterator[None]:
    """Raise a ConfigError for what is not there, and for what Hydra has not foreseen."""
    words = list(words)
    try:
        yield
    except ConfigCompositionException as error:
        if _lacks_submitit(error):
            line = "needs the package hydra-submitit-launcher: pip install 'lottery[slurm]'"
            raise ConfigError(f"hydra/launcher=slurm: {line}") from error
        if (mistake := named_mistake(error, words)) is None:
            raise
        raise mistake from error
    except OverrideParseException as error:
        line = "cannot be read; quote what has spaces, commas or brackets"
        if "=" not in error.override:
            line = "a setting is written as KEY=VALUE"
        raise ConfigError(f"{error.override}: {line}") from error
    except HydraException:
        raise
    except (ValueError, TypeError, AssertionError, LookupError, AttributeError) as error:
        *_, (frame, _) = walk_tb(error.__traceback__)
        if not str(frame.f_globals.get("__name__")).startswith(("hydra.", "omegaconf.")):
            raise
        message = f"{show(' '.join(words))}: Hydra cannot use this: {first_line(error)}"
        raise ConfigError(message) from error


def _lacks_submitit(error: ConfigCompositionException) -> bool:
    """Tell if a launcher on SLURM needs the plugin of the extra `slurm`, which is missing."""
    missing = error.missing_cfg_file if isinstance(error, MissingConfigException) else None
    is_there = find_spec("hydra_plugins.hydra_submitit_launcher") is not None
    return missing == "hydra/launcher/submitit_slurm" and not is_there


def as_overrides(given: Iterable[str | Mapping[str, Any]]) -> list[str]:
    """Return overrides as words of the command line; dicts may be nested or have dotted keys."""
    words: list[str] = []
    for item in given:
        if isinstance(item, str):
            words.append(item)
        elif isinstance(item, Mapping):
            words += _words(item)
        else:
            raise ConfigError(f"{item!r}: a text such as 'rounds=3', or a dict {{'rounds': 3}}")
    return words


def _words(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _words(value, f"{key}.")
        elif _is_group(key) and isinstance(value, str):
            yield f"{key}={value}"
        elif _is_group(key) and isinstance(value, CLASSES):
            yield f"++{key}._target_={_written(value, f'{key}._target_')}"
        else:
            yield f"++{key}={_written(value, key)}"  # ++: the argument of a class may be new


def _written(value: Any, key: str) -> str:
    """Return a value as Hydra's grammar of overrides reads it; a class as its dotted name."""
    if isinstance(value, PathLike):
        value = str(value)
    if isinstance(value, CLASSES) and key.endswith(("._target_", ".loss")):
        value = _dotted_name(value, key)
    if value is None or isinstance(value, bool):
        return show(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        # backslashes are doubled where a quote follows
        value = re.sub(r"(\\*)'", r"\1\1\\'", value)
        return "'" + re.sub(r"(\\+)\Z", r"\1\1", value) + "'"
    if isinstance(value, list | tuple):
        return f"[{','.join(_written(item, key) for item in value)}]"
    if isinstance(value, Mapping):
        names = [re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", str(name)) for name in value]
        pairs = zip(names, value.values(), strict=True)
        return (
            "{"
            + ",".join(f"{name}:{_written(item, f'{key}.{name}')}" for name, item in pairs)
            + "}"
        )
    raise ConfigError(f"{key}={value!r}: a number, text, boolean, None, list, dict or class")


def _dotted_name(value: Any, key: str) -> str:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:  # of a function's own, or a lambda
        raise ConfigError(f"{key}: {name}: define it at the top of a file, notebook or script")
    return name


def _parse(word: str) -> Override:
    return OverridesParser.create().parse_override(word)


def _is_group(key: str) -> bool:
    return key == "hydra" or key.startswith("hydra/") or (conf_dir() / key).is_dir()
