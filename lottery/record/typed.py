"""Compare what a JSON file holds with the types that `schema.py` states."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from lottery.record.files import damaged, read_json

T = TypeVar("T")

WORDS: dict[type, str] = {
    NoneType: "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


class Entries(dict[str, Any]):
    """Entries by names that no type states; to ask for a missing one is a DamagedFile."""

    def __init__(self, entries: Mapping[str, Any], path: Path, where: str, repair: str) -> None:
        super().__init__(entries)
        self._of = (path, where, repair)

    def __missing__(self, name: str) -> Any:
        path, where, repair = self._of
        raise damaged(path, f"{where} has no {name!r}", repair)


def read_typed(path: Path, kind: type[T], repair: str) -> T:
    """Return the content of a JSON file, which must be of the type `kind`, a TypedDict.

    Keys that the type does not name are kept.

    Raises:
        DamagedFile: `FILE: damaged: row.val is 'x', a number expected; REPAIR`.
    """
    return parse(read_json(path, repair), kind, path, repair)


def parse(value: Any, kind: type[T], path: Path, repair: str) -> T:
    """Return `value`, the content of a file, if it is of the type `kind`."""
    try:
        check_type(value, kind)
    except TypeError as error:
        raise damaged(path, str(error), repair) from error
    return cast(T, value)


def check_type(value: Any, kind: Any, where: str = "") -> None:
    """Raise a TypeError that names the first place where a value is not of a type.

    Example:
        >>> check_type({"a": [1, "x"]}, dict[str, list[float]])
        Traceback (most recent call last):
        TypeError: a[1] is 'x', a number expected
    """
    kinds = _kinds(kind)
    fitting = [kind for kind in kinds if _fits(value, kind)]
    if not fitting:
        expected = " or ".join(WORDS[_plain(kind)] for kind in kinds)
        raise TypeError(f"{where or 'the content'} is {_show(value)}, {expected} expected")
    kind = fitting[0]
    if _plain(kind) not in (dict, list):
        return  # as most values are: a record has two rows for each evaluation
    if is_typeddict(kind):
        prefix = f"{where}." if where else ""
        for name in sorted(kind.__required_keys__ - value.keys()):
            raise TypeError(f"{prefix}{name} is missing")
        for name, hint in _hints(kind).items():
            if name in value:
                check_type(value[name], hint, f"{prefix}{name}")
    elif get_origin(kind) is dict:
        for name, inner in value.items():
            check_type(inner, get_args(kind)[1], f"{where}.{name}" if where else name)
    elif get_origin(kind) is list:
        for number, inner in enumerate(value):
            check_type(inner, get_args(kind)[0], f"{where}[{number}]")


@cache
def _kinds(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union; another type alone."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, kind: Any) -> bool:
    plain = _plain(kind)
    if plain is Any:
        return True
    if isinstance(value, bool) and plain in (int, float):
        return False
    return isinstance(value, (int, float) if plain is float else plain)


@cache
def _plain(kind: Any) -> Any:
    """Return the class of a type's values: `dict` for a TypedDict, `list` for `list[int]`."""
    return dict if is_typeddict(kind) else get_origin(kind) or kind


def _show(value: Any) -> str:
    if isinstance(value, dict | list):
        return WORDS[type(value)]
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]} ..."
