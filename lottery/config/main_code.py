"""Classes and functions of a notebook or a script (`__main__`), with digests of what they rest on.

They are in no file of their own, so the digest of each definition stands for it: of the class,
and of every function, class and constant of `__main__` that its source names, and so on.
"""

import ast
import hashlib
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from lottery.config.targets import MAIN
from lottery.errors import ConfigError

CODE = (type, FunctionType, BuiltinFunctionType)  # in a module of its own
PLAIN = (type(None), bool, int, float, complex, str, bytes)


def is_in_main(target: Any) -> bool:
    """Return whether a class or function was defined in a notebook, a script or a prompt."""
    return getattr(target, "__module__", None) == MAIN


def main_digests(target: Any, key: str) -> tuple[dict[str, str], set[str]]:
    """Return sha256 of all definitions of `__main__` that one rests on, and the modules used.

    Raises:
        ConfigError: a source is not known, or a global value is no definition and no plain one.
    """
    names = vars(sys.modules[MAIN])
    todo: list[Any] = [target]
    digests: dict[str, str] = {}
    modules: set[str] = set()
    while todo:
        one = todo.pop()
        name = f"{MAIN}.{one.__qualname__}"
        if name in digests:
            continue
        source = _source_of(one, key)
        digests[name] = _digest(source)
        modules |= set(_imports(source))
        for used in sorted(_global_names(source) & names.keys()):
            value = names[used]
            if isinstance(value, ModuleType):
                modules.add(value.__name__)
            elif is_in_main(value) and isinstance(value, type | FunctionType):
                todo.append(value)
            elif isinstance(value, CODE) or type(value).__module__ == "typing":
                modules.add(str(getattr(value, "__module__", None) or ""))
            elif _is_plain(value):
                digests[f"{MAIN}.{used}"] = _digest(repr(value))
            else:
                what = f"{name} uses {used}, a {type(value).__name__} of {MAIN}"
                raise ConfigError(
                    f"{key}: {what}, whose content cannot be checked; make it an argument, or put "
                    "it in a file"
                )
    return digests, modules - {""}


def _source_of(definition: Any, key: str) -> str:
    """Return the source of a function or class, as its notebook cell or its file has it."""
    functions = [f for f in vars(definition).values() if isinstance(f, FunctionType)]
    code = definition if isinstance(definition, FunctionType) else next(iter(functions), None)
    if code is not None:
        file, line = code.__code__.co_filename, code.__code__.co_firstlineno
        text = "".join(linecache.getlines(file))
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef)
                and node.name == definition.__name__
            ):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                if first <= line <= (node.end_lineno or first):
                    lines = text.splitlines()[first - 1 : node.end_lineno]
                    return textwrap.dedent("\n".join(lines))
    try:
        return textwrap.dedent(inspect.getsource(definition))
    except (OSError, TypeError) as error:
        name = f"{MAIN}.{definition.__qualname__}"
        raise ConfigError(f"{key}: the source of {name} is not known; put it in a file") from error


def _global_names(source: str) -> set[str]:
    """Return the names that a definition looks up outside itself; attributes are none."""
    return set(_looked_up(symtable.symtable(source, MAIN, "exec")))


def _looked_up(table: symtable.SymbolTable) -> Iterator[str]:
    at_top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or at_top):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _looked_up(inner)


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return isinstance(value, PLAIN)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
