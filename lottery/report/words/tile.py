"""A large number of a report's head, and the head itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A number that is shown large, with what it is and how sure it is."""

    name: str
    value: str
    detail: str
    verdict: str = ""


@dataclass(frozen=True)
class Headline:
    """What a reader sees first."""

    sentence: str
    tiles: tuple[Tile, ...] = ()
