"""What a Python source names: modules, and what it looks up outside itself; nothing is run."""

import ast
import linecache
import symtable
import sys
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from types import CodeType
from typing import Any

DEFINING = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def imports(source: str | bytes, package: str = "") -> Iterator[str]:
    """Yield the modules that a source names in imports, and what it takes from them."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a file that is imported only if something else is missing
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:  # above the top folder
                continue
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def submodules(source: str, names: Mapping[str, Any]) -> Iterator[str]:
    """Yield the modules that a source reaches through a package of `__main__`, as pkg.inner."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            word, _, rest = ast.unparse(node).partition(".")
            name = f"{getattr(names.get(word), '__name__', '')}.{rest}"
            if name in sys.modules:
                yield name


def global_names(source: str) -> set[str]:
    """Return the names that a definition looks up outside itself; attributes are none."""
    return set(_looked_up(symtable.symtable(source, "source", "exec")))


def _looked_up(table: symtable.SymbolTable) -> Iterator[str]:
    at_top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or at_top):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _looked_up(inner)


def written_at(code: CodeType) -> str:
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
    return parsable("\n".join(lines[first - 1 : last])) if first else ""


def parsable(source: str) -> str:
    """Return a source whose first line may be indented so that it can be parsed."""
    return f"if True:\n{source}" if source[:1].isspace() else source
