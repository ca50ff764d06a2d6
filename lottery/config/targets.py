"""What `_target_` names: classes and functions, found and checked without being called."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from lottery.errors import ConfigError
from lottery.nearest import did_you_mean

Node = Mapping[str, Any]  # a `_target_` and its arguments

MAIN = "__main__"  # the notebook, the script or the command that runs
SPECIAL = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")  # Hydra's own keys


def make_cwd_importable(folder: str | None = None) -> None:
    """Let users' modules be imported from the current folder, or from the one that is given.

    It comes last: a file `random.py` there hides no module of Python or of a package.
    """
    here = folder or str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def load_target(node: Node, key: str) -> Callable[..., Any]:
    """Return the class or function that `_target_` names.

    An error inside a user's module is left as it is.
    """
    name = node.get("_target_")
    shown = f"{key}._target_={'null' if name is None else name}"
    if not isinstance(name, str):
        raise ConfigError(f"{shown}: the dotted name of a class or function")
    words = name.split(".")
    if not all(word.isidentifier() for word in words):
        raise ConfigError(f"{shown}: the dotted name of a class or function")
    for length in range(len(words) - 1, 0, -1):
        module = ".".join(words[:length])
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there, but imports something that is not
            continue
        try:
            target = reduce(getattr, words[length:], found)
        except AttributeError as error:
            if module == MAIN:  # of another process: a worker's, a command's
                where = "or define it in the notebook or script that calls lottery.run"
                raise ConfigError(f"{shown}: put it in a file, {where}") from error
            near = did_you_mean(words[-1], vars(found), prefix=f"{module}.")
            more = f"{near and f'; {near}'}{_hidden_file(words[0])}"
            raise ConfigError(f"{shown}: {error}{more}") from error
        if not callable(target):
            raise ConfigError(f"{shown}: not a class or function")
        return target
    raise ConfigError(f"{shown}: no module named {words[0]!r}")


def _hidden_file(module: str) -> str:
    """Return a remark if the current folder has a file with the name of another module."""
    file, taken = Path(f"{module}.py").absolute(), getattr(sys.modules[module], "__file__", None)
    if not file.exists() or str(file) == taken:
        return ""
    return f"; {file} is not used, because Python or a package has a module {module}: rename it"


def find_nodes(value: Any, key: str = "", *, made: bool = False) -> Iterator[tuple[str, Node]]:
    """Yield the nodes in a value with their config keys, the outermost first.

    With `made`, nodes are left out that Hydra does not make, because of `_recursive_: false`.
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield key, value
        if made and value.get("_recursive_") is False:
            return
        for name, item in value.items():
            yield from find_nodes(item, f"{key}.{name}" if key else str(name), made=made)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from find_nodes(item, f"{key}[{number}]", made=made)


def check_call(node: Node, key: str) -> None:
    """Check that a node's targets are there and take their arguments, without calling any."""
    for path, inner in find_nodes(node, key, made=True):
        target = load_target(inner, path)
        if not inner.get("_partial_"):
            named = {name: value for name, value in inner.items() if name not in SPECIAL}
            check_arguments(partial(target, *inner.get("_args_", ()), **named), path)


def check_arguments(call: "partial[Any]", key: str) -> None:
    """Check that a target takes the arguments of a call, without calling it."""
    try:
        signature_of(call.func).bind(*call.args, **call.keywords)
    except TypeError as error:
        name = getattr(call.func, "__qualname__", call.func)
        raise ConfigError(f"{key}: {name}: {error}") from error


def signature_of(target: Callable[..., Any]) -> inspect.Signature:
    """Return a target's signature; for functions in C that have none, one that takes anything."""
    try:
        return inspect.signature(target)
    except ValueError:
        return inspect.signature(lambda *_, **__: None)
