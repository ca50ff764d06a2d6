"""The kinds of rules, and how a rule is read; every kind is one frozen dataclass."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from lottery.claims.accuracy_rules import Gain, Speed
from lottery.claims.mask_rules import Emptied, Left
from lottery.claims.measured import Bound, Place
from lottery.claims.stability_rules import Distance, Instability, Untrained
from lottery.record.typed import check_type

Rule = Gain | Speed | Left | Emptied | Instability | Distance | Untrained

KINDS: dict[str, type[Rule]] = {
    "gain": Gain,
    "speed": Speed,
    "left": Left,
    "emptied": Emptied,
    "instability": Instability,
    "distance": Distance,
    "untrained": Untrained,
}


def read_rule(entry: Mapping[str, Any], where: str) -> Rule:
    """Return a rule from its entry, such as `{kind: gain, of: {a: 51}, over: {b: 51}, above: 0}`.

    Raises:
        ValueError: a field is unknown, missing or wrong; the message begins with `where`.
    """
    kind = KINDS.get(str(entry.get("kind")))
    if kind is None:
        given = entry.get("kind")
        raise ValueError(f"{where}.kind is {given!r}; one of {', '.join(KINDS)}")
    hints, given = get_type_hints(kind), {k: v for k, v in entry.items() if k != "kind"}
    if Bound in hints.values():
        given["bound"] = {k: given.pop(k) for k in ("above", "below") if k in given}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    for name in sorted(given.keys() - hints.keys()):
        raise ValueError(f"{where}.{name}: no such field of {entry['kind']}")
    for name in sorted(needed - given.keys()):
        raise ValueError(f"{where}.{name} is missing")
    try:
        return kind(**{name: _value(value, hints[name], name) for name, value in given.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def _value(value: Any, hint: Any, where: str) -> Any:
    check_type(value, dict[str, float] if hint in (Place, Bound) else hint, where)
    if hint is Bound:
        return Bound(**value)
    if hint is not Place:
        return value
    if len(value) != 1:
        raise ValueError(f"{where}: one arm with its percent of weights left, {{ticket: 21.1}}")
    ((arm, percent),) = value.items()
    return Place(arm, percent)
