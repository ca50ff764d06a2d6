"""Objects from config nodes, `_target_` and arguments: made by Hydra, with our error lines."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException

from lottery.config.own_files import own_file
from lottery.config.rules import first_line, show
from lottery.config.targets import Node, check_arguments, check_call, load_target, signature_of
from lottery.errors import ConfigError
from lottery.record.durations import parse_duration

# `name=value: what is accepted`; a value that is a dict has colons, too
REFUSED_VALUE = re.compile(r"(?P<name>\w+)=(?:\{.*?\}|\[.*?\]|.*?): (?P<accepted>.*)", re.DOTALL)
# what a library raises at arguments of another kind
ARGUMENT_ERRORS = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


def make(node: Node, key: str, *, steps_per_epoch: int | None = None, **offered: Any) -> Any:
    """Return what a node stands for: the result of its call, or the call if it is `_partial_`.

    `offered` are further arguments; the target gets those that it names. `steps_per_epoch` is
    offered too, and turns durations such as '5ep' into steps, in the arguments that a class names
    as its `durations`. What a user's own code raises is left as it is.
    """
    if steps_per_epoch is None:
        call = bind(node, key, **offered)
    else:
        in_steps = _in_steps(node, key, steps_per_epoch)
        call = bind(in_steps, key, steps_per_epoch=steps_per_epoch, **offered)
    return call if node.get("_partial_") else run_call(call, key, node)


def check_made(made: Any, node: Node, key: str, *names: str) -> None:
    """Check that what a node has made has the methods and attributes of its kind."""
    if not all(hasattr(made, name) for name in names):
        wanted = f"an object with {', '.join(names)} expected"
        raise ConfigError(f"{key}._target_={node.get('_target_')}: {wanted}")


def run_call(call: "partial[Any]", key: str, node: Node) -> Any:
    """Run a call that `bind` has returned, of a node as the user wrote it."""
    check_arguments(call, key)
    try:
        return call()
    except Exception as error:
        if (line := _refusal(error, key, node)) is None:
            raise
        raise ConfigError(line) from error


def bind(node: Node, key: str, **offered: Any) -> "partial[Any]":
    """Return the call that a node stands for, with its nested nodes made.

    It is a plain `functools.partial`, because Hydra's own takes 0.2 ms more at every call.
    Arguments may still be missing. The parameters are those of `make`.
    """
    load_target(node, key)  # a node without one is a plain dict to Hydra
    node = {"_convert_": "all", **node, "_partial_": True}
    check_call(node, key)
    try:
        bound = instantiate(node)
    except (InstantiationException, OmegaConfBaseException) as error:
        nested = str(error).partition("full_key: ")[2].partition("\n")[0]
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        raised = cause if isinstance(cause, Exception) else error  # by a nested target, by Hydra
        if (line := _refusal(raised, f"{key}.{nested}" if nested else key, {})) is None:
            raise raised from raised.__cause__
        raise ConfigError(line) from error
    open_names = list(signature_of(bound.func).parameters)[len(bound.args) :]
    given = {name: value for name, value in offered.items() if name in open_names}
    return partial(bound.func, *_plain(bound.args), **given | _plain(bound.keywords))


def _in_steps(value: Any, key: str, steps_per_epoch: int, *, is_duration: bool = False) -> Any:
    """Copy nodes with the durations that their classes declare as numbers of steps."""
    if isinstance(value, list):
        return [_in_steps(v, key, steps_per_epoch, is_duration=is_duration) for v in value]
    if isinstance(value, Mapping):
        target = load_target(value, key) if "_target_" in value else None
        names = getattr(target, "durations", ())
        return {
            name: _in_steps(item, f"{key}.{name}", steps_per_epoch, is_duration=name in names)
            for name, item in value.items()
        }
    if not is_duration or value is None:
        return value
    try:
        return parse_duration(value).steps(steps_per_epoch)
    except ValueError as error:
        raise ConfigError(f"{key}={show(value)}: {error}") from error


def _plain(value: Any) -> Any:
    """Replace Hydra's partials in arguments by plain ones."""
    if isinstance(value, partial):
        return partial(value.func, *_plain(value.args), **_plain(value.keywords))
    if type(value) is dict:
        return {name: _plain(item) for name, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_plain(item) for item in value)
    return value


def _refusal(error: Exception, key: str, node: Node) -> str | None:
    """Return one line for a refusal of Hydra's, of ours or of a library's, else None."""
    trace = error.__traceback__
    entered = trace.tb_next if trace else None  # below the frame that made the call
    module = str(entered.tb_frame.f_globals.get("__name__", "")) if entered else ""
    if isinstance(error, InstantiationException | OmegaConfBaseException):
        return f"{key}: {first_line(error)}"
    if module.startswith("lottery.") and isinstance(error, ValueError):
        return f"{key}.{_as_written(str(error), node)}"
    is_users = bool(module) and own_file(module) is not None  # C code has no frame
    if not is_users and isinstance(error, ARGUMENT_ERRORS):
        return f"{key}: {first_line(error)}"
    return None


def _as_written(message: str, node: Node) -> str:
    """Put the value that the user wrote into a message that begins with `name=value: `."""
    found = REFUSED_VALUE.fullmatch(message)
    if found is None or found["name"] not in node:
        return message
    return f"{found['name']}={show(node[found['name']])}: {found['accepted']}"
