"""Classes and functions of a notebook or a script (`__main__`), with digests of what they rest on.

They are in no file of their own, so digests of what they are made of stand for them: of their
source, of what its names mean, of the values that functions close over, of members that a class
was given later, and so on.
"""

import hashlib
import inspect
import linecache
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from lottery.config.source import global_names, imports, parsable, submodules, written_at
from lottery.config.targets import MAIN
from lottery.errors import ConfigError

CODE = (type, FunctionType, BuiltinFunctionType)  # in a module of its own
PLAIN = (type(None), bool, int, float, complex, str, bytes)


def is_in_main(target: Any) -> bool:
    """Return whether a class or function was defined in a notebook, a script or a prompt."""
    return getattr(target, "__module__", None) == MAIN


def main_digests(target: Any, key: str) -> tuple[dict[str, str], set[str]]:
    """Return sha256 of everything of `__main__` that a target rests on, and the modules used.

    Raises:
        ConfigError: a source is not known, or a value is no definition and no plain one.
    """
    names = vars(sys.modules[MAIN])
    word = getattr(target, "__qualname__", type(target).__name__)
    todo: list[tuple[str, str, Any]] = [("_target_", f"{MAIN}.{word}", target)]
    digests: dict[str, str] = {}
    modules: set[str] = set()
    seen: set[int] = set()  # not by name: two lambdas have the same
    while todo:
        user, name, one = todo.pop()
        if isinstance(one, ModuleType):
            modules.add(one.__name__)
        elif is_in_main(one) and isinstance(one, type | FunctionType):
            if id(one) in seen:
                continue
            seen.add(id(one))
            source = _source_of(one, name, key)
            digests[name] = _digest(source)
            modules |= {*imports(source), *submodules(source, names)}
            used = sorted(global_names(source) & names.keys())
            todo += [(name, f"{MAIN}.{word}", names[word]) for word in used]
            todo += [(name, f"{name}.{word}", part) for word, part in _parts(one, source)]
        elif isinstance(one, CODE) or type(one).__module__ == "typing":
            modules.add(str(getattr(one, "__module__", None) or ""))
        elif _is_plain(one):
            digests[name] = _digest(repr(one))
        else:
            what = f"{user} uses {name.rpartition('.')[2]}, a {type(one).__name__} of {MAIN}"
            raise ConfigError(
                f"{key}: {what}, whose content cannot be checked; make it an argument, or put "
                "it in a file"
            )
    return digests, modules - {""}


def _parts(definition: Any, source: str) -> Iterator[tuple[str, Any]]:
    """Yield what a definition is made of beside its source, with names.

    Of private members those that the source names: Python's own differ between its versions.
    """
    if isinstance(definition, FunctionType):
        yield from _held(definition)
        return
    yield from ((base.__name__, base) for base in definition.__bases__ if is_in_main(base))
    for name, member in sorted(vars(definition).items()):
        function = _function_in(member)
        if function is not None and _is_of_body(function, definition):
            yield from ((f"{name}.{word}", part) for word, part in _held(function))
        elif function is not None and is_in_main(function):
            yield name, function
        elif name.startswith("_") and name not in source:
            continue
        elif _is_plain(member) or (isinstance(member, type) and is_in_main(member)):
            yield name, member


def _held(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the values that a function closes over, and its attributes.

    Of a library's wrapper only what it wraps; of a generated method, as of a dataclass, nothing.
    """
    if not _is_written_here(function):
        inner = inspect.unwrap(function)
        if _is_written_here(inner):
            yield "__wrapped__", inner
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__" and cell != type(cell)():  # that of super(); an empty one
            yield name, cell.cell_contents
    attributes = sorted(vars(function).items())
    yield from (pair for pair in attributes if pair[0] == "__wrapped__" or pair[0][:2] != "__")


def _function_in(member: Any) -> FunctionType | None:
    inner = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
    return inner if isinstance(inner, FunctionType) else None


def _is_of_body(function: FunctionType, definition: type) -> bool:
    return function.__qualname__.startswith(f"{definition.__qualname__}.")


def _is_written_here(function: Any) -> bool:
    """Return whether it is a function whose code, not what it wraps, is written in `__main__`."""
    if not isinstance(function, FunctionType):
        return False
    is_here = function.__globals__ is vars(sys.modules[MAIN])
    return is_here and bool(linecache.getlines(function.__code__.co_filename))


def _source_of(definition: Any, name: str, key: str) -> str:
    """Return the source of the whole class or function that a definition stands in."""
    functions = [definition]
    if isinstance(definition, type):
        found = filter(None, map(_function_in, vars(definition).values()))
        functions = [one for one in found if _is_of_body(one, definition)]
    for one in functions:
        inner = one if _is_written_here(one) else inspect.unwrap(one)
        if _is_written_here(inner) and (source := written_at(inner.__code__)):
            return source
    try:
        return parsable(inspect.getsource(definition))
    except (OSError, TypeError) as error:
        raise ConfigError(f"{key}: the source of {name} is not known; put it in a file") from error


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return isinstance(value, PLAIN)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
