"""Making the object that a config node names by `_target_`."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hydra.utils import get_object

from lottery.build.errors import ConfigError


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


def load_target(node: Mapping[str, Any], key: str) -> Callable[..., Any]:
    """The class or function that `_target_` names.

    Raises:
        ConfigError: there is no such thing.
    """
    name = node.get("_target_")
    if not isinstance(name, str):
        raise ConfigError(f"{key}._target_={name}: the dotted name of a class or function")
    try:
        target = get_object(name)
    except ImportError as error:
        raise ConfigError(f"{key}._target_={name}: {error}") from error
    if not callable(target):
        raise ConfigError(f"{key}._target_={name}: not a class or function")
    return target  # type: ignore[no-any-return]


def call(target: "partial[Any]", key: str) -> Any:
    """Call a target with its arguments, a refusal turned into one line that names the key.

    Raises:
        ConfigError: see `make`.
    """
    function = target.func
    try:
        inspect.signature(function).bind(*target.args, **target.keywords)
    except TypeError as error:
        raise ConfigError(f"{key}: {function.__qualname__}: {error}") from error
    try:
        return target()
    except ValueError as error:
        if not function.__module__.startswith(("lottery.", "torch.")):
            raise
        raise ConfigError(f"{key}.{error}") from error


def _arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in node.items() if name != "_target_"}
