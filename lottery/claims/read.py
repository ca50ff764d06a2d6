"""Read the claims that lottery comes with, `conf/claims/<id>.yaml`; every mistake is one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from lottery.claims.claim import READ, SCALES, Arm, Claim, Scale, Source
from lottery.claims.rules import Rule, read_rule
from lottery.conf_dir import conf_dir
from lottery.errors import ConfigError
from lottery.record.typed import check_type
from lottery.report.read.pairing import ENOUGH_SEEDS


class SourceEntry(TypedDict):
    """The entry `source`."""

    paper: str
    place: str
    read: str


class ArmEntry(TypedDict):
    """An entry of `arms`."""

    overrides: NotRequired[list[str]]
    stability: NotRequired[list[int]]


class ScaleEntry(TypedDict):
    """The entry `full` or `small`."""

    overrides: list[str]
    seeds: int
    cost: str
    draws: NotRequired[int]
    pairs: NotRequired[int]
    rules: NotRequired[list[dict[str, Any]]]  # instead of the claim's own
    seen: NotRequired[str]


class ClaimEntry(TypedDict):
    """A claim's file."""

    statement: str
    source: SourceEntry
    published: NotRequired[str]
    ours: NotRequired[str]
    needs: NotRequired[list[str]]
    arms: NotRequired[dict[str, ArmEntry]]
    rules: NotRequired[list[dict[str, Any]]]
    full: NotRequired[ScaleEntry]
    small: NotRequired[ScaleEntry]


def read_claims() -> dict[str, Claim]:
    """Return all claims by id, in the order of their names."""
    files = sorted((conf_dir() / "claims").glob("*.yaml"))
    return {file.stem: read_claim(file) for file in files}


def read_claim(file: Path) -> Claim:
    """Return the claim in a file.

    Raises:
        ConfigError: `FILE: full.seeds is 2, 3 or more expected`.
    """
    import yaml

    try:
        return claim_of(file.stem, yaml.safe_load(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {error}") from error


def claim_of(name: str, entry: Any) -> Claim:
    """Return a claim from the content of its file.

    Raises:
        ValueError: a field is unknown, missing or wrong.
        TypeError: a field is of another type.
    """
    check_type(entry, ClaimEntry)
    _check_names(entry, ClaimEntry, "")
    _check_names(entry["source"], SourceEntry, "source.")
    if entry["source"]["read"] not in READ:
        given = entry["source"]["read"]
        raise ValueError(f"source.read is {given!r}; one of {', '.join(READ)}")
    arms = {arm: _arm(node, f"arms.{arm}") for arm, node in entry.get("arms", {}).items()}
    rules = _rules(entry.get("rules", []), arms, "rules")
    needs = tuple(entry.get("needs", []))
    scales = {
        scale: _scale(entry[scale], arms=arms, rules=rules, where=scale)
        for scale in SCALES
        if scale in entry
    }
    if not scales and not needs:
        raise ValueError("neither full nor small nor needs: nothing can be run")
    return Claim(
        id=name,
        statement=entry["statement"],
        source=Source(**entry["source"]),
        published=entry.get("published", ""),
        ours=entry.get("ours", ""),
        needs=needs,
        arms=arms,
        scales=scales,
    )


def _arm(entry: Mapping[str, Any], where: str) -> Arm:
    _check_names(entry, ArmEntry, f"{where}.")
    return Arm(tuple(entry.get("overrides", ())), tuple(entry.get("stability", ())))


def _scale(
    entry: Mapping[str, Any],
    *,
    arms: Mapping[str, Arm],
    rules: tuple[Rule, ...],
    where: str,
) -> Scale:
    _check_names(entry, ScaleEntry, f"{where}.")
    own = _rules(entry["rules"], arms, f"{where}.rules") if "rules" in entry else rules
    if not own or not arms:
        raise ValueError(f"{where}: there are no {'rules' if arms else 'arms'}")
    for name, least in (("seeds", ENOUGH_SEEDS), ("draws", 1), ("pairs", 1)):
        if entry.get(name, least) < least:
            raise ValueError(f"{where}.{name} is {entry[name]}, {least} or more expected")
    given = {name: entry[name] for name in ("draws", "pairs", "seen") if name in entry}
    return Scale(
        overrides=tuple(entry["overrides"]),
        seeds=entry["seeds"],
        cost=entry["cost"],
        rules=own,
        **given,
    )


def _rules(entries: list[dict[str, Any]], arms: Mapping[str, Arm], where: str) -> tuple[Rule, ...]:
    rules = tuple(read_rule(entry, f"{where}[{n}]") for n, entry in enumerate(entries))
    for number, rule in enumerate(rules):
        for place in rule.places:
            if place.arm not in arms:
                raise ValueError(f"{where}[{number}]: no arm {place.arm!r}; {', '.join(arms)}")
    return rules


def _check_names(entry: Mapping[str, Any], kind: type, where: str) -> None:
    known = kind.__annotations__
    for name in sorted(entry.keys() - known.keys()):
        raise ValueError(f"{where}{name}: no such field; one of {', '.join(known)}")
