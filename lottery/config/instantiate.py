"""Making the object that a config node names by `_target_`."""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from lottery.errors import ConfigError


def make_cwd_importable() -> None:
    """For users' own classes: console scripts leave the folder out, and so do launchers' jobs."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def make(node: Mapping[str, Any], key: str, **offered: Any) -> Any:
    """Call a node's `_target_` with its other entries.

    Args:
        node: `_target_` and arguments.
        key: the config key of the node, for messages.
        offered: further arguments, of which the target gets those it names.

    Raises:
        ConfigError: the target cannot be imported, does not take the arguments, or is ours and
            refuses a value. What a user's own code raises is left as it is.
    """
    target, arguments = load_target(node, key), _arguments(node)
    accepted = inspect.signature(target).parameters
    given = {name: value for name, value in offered.items() if name in accepted} | arguments
    return call(partial(target, **given), key)


def check_call(node: Mapping[str, Any], key: str) -> None:
    """Check that a node's `_target_` is there and takes its arguments, without calling it.

    Raises:
        ConfigError: it is not, or does not.
    """
    _bind(partial(load_target(node, key), **_arguments(node)), key)


def load_target(node: Mapping[str, Any], key: str) -> Callable[..., Any]:
    """The class or function that `_target_` names.

    Raises:
        ConfigError: there is no such thing.
    """
    name = node.get("_target_")
    if not isinstance(name, str):
        raise ConfigError(f"{key}._target_={name}: the dotted name of a class or function")
    if name.startswith("__main__."):
        raise ConfigError(f"{key}._target_={name}: put it in a file, whose content can be checked")
    try:
        target = _locate(name)
    except LookupError as error:
        raise ConfigError(f"{key}._target_={name}: {error.args[0]}") from error
    if not callable(target):
        raise ConfigError(f"{key}._target_={name}: not a class or function")
    found: Callable[..., Any] = target
    return found


def _locate(name: str) -> Any:
    """The object with a dotted name. An error inside a user's module is left as it is."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # it is there, and imports something that is not
            continue
        try:
            return reduce(getattr, parts[length:], found)
        except AttributeError as error:
            raise LookupError(str(error)) from error
    raise LookupError(f"no module named {parts[0]!r}")


def call(target: "partial[Any]", key: str) -> Any:
    """Call a target with its arguments, a refusal turned into one line that names the key.

    Raises:
        ConfigError: see `make`.
    """
    _bind(target, key)
    try:
        return target()
    except (ValueError, TypeError) as error:
        module = target.func.__module__
        if module.startswith("lottery.") and isinstance(error, ValueError):
            raise ConfigError(f"{key}.{error}") from error  # begins with the argument's name
        if module.startswith("torch."):
            raise ConfigError(f"{key}: {error}") from error
        raise


def _bind(target: "partial[Any]", key: str) -> None:
    try:
        inspect.signature(target.func).bind(*target.args, **target.keywords)
    except TypeError as error:
        raise ConfigError(f"{key}: {target.func.__qualname__}: {error}") from error


def _arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in node.items() if name != "_target_"}
