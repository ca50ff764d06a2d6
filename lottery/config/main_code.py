"""Classes and functions of a notebook or a script (`__main__`), with digests of what they rest on.

They are in no file of their own, so digests of what they are made of stand for them: of their
source, of what its names mean, of the values that functions close over, of members that a class
was given later, and so on.
"""

import ast
import hashlib
import inspect
import linecache
import symtable
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from lottery.config.targets import MAIN
from lottery.errors import ConfigError

CODE = (type, FunctionType, BuiltinFunctionType)  # in a module of its own
PLAIN = (type(None), bool, int, float, complex, str, bytes)
DEFINING = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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
            modules |= {*_imports(source), *_submodules(source, names)}
            used = sorted(_global_names(source) & names.keys())
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
        if _is_written_here(inner) and (source := _written_at(inner.__code__)):
            return source
    try:
        return _parsable(inspect.getsource(definition))
    except (OSError, TypeError) as error:
        raise ConfigError(f"{key}: the source of {name} is not known; put it in a file") from error


def _written_at(code: CodeType) -> str:
    """Return the outermost class or function, or else the statement, that some code is in."""
    lines = [line.rstrip("\r\n") for line in linecache.getlines(code.co_filename)]
    try:
        node: ast.AST | None = ast.parse("\n".join(lines))
    except SyntaxError:
        return ""
    first = last = 0
    while node is not None and not isinstance(node, DEFINING):
        inner = (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
        node = None
        for child in inner:
            start = min([child.lineno, *(d.lineno for d in getattr(child, "decorator_list", ()))])
            end = child.end_lineno or start
            if start <= code.co_firstlineno <= end:
                node, first, last = child, start, end
    return _parsable("\n".join(lines[first - 1 : last])) if first else ""


def _parsable(source: str) -> str:
    """Return a source whose first line may be indented so that it can be parsed."""
    return f"if True:\n{source}" if source[:1].isspace() else source


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


def _submodules(source: str, names: Mapping[str, Any]) -> Iterator[str]:
    """Yield the modules that a source reaches through a package of `__main__`, as pkg.inner."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            word, _, rest = ast.unparse(node).partition(".")
            name = f"{getattr(names.get(word), '__name__', '')}.{rest}"
            if name in sys.modules:
                yield name


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return isinstance(value, PLAIN)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
