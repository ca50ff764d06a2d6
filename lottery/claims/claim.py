"""A published claim: what it says, which runs it needs, and the rules that decide about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from lottery.claims.rules import Rule

SCALES = ("full", "small")
# What was read of the source, and so how far its numbers can be trusted
READ = {
    "text": "the paper's text",
    "data": "the authors' raw data",
    "abstract": "the abstract only",
    "notes": "a reader's notes that quote the paper",
    "direction": "the direction only, no number",
}


@dataclass(frozen=True)
class Source:
    """Where a claim was published, and what of it was read."""

    paper: str
    place: str  # section, figure
    read: str  # one of READ

    @property
    def words(self) -> str:
        """The source in one line."""
        return f"{self.paper}, {self.place} (read: {READ[self.read]})"


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their seeds alone, or also in the draw of a control.

    Attributes:
        overrides: beside those of the scale. `{ticket}` stands for the folder of the arm
            `ticket`, and `{draw}` for 0, 1, ... up to the scale's number of draws.
        stability: rounds that `lottery-stability` analyses; none if it is empty.
    """

    overrides: tuple[str, ...] = ()
    stability: tuple[int, ...] = ()

    @property
    def is_drawn(self) -> bool:
        """Whether it has several draws for each seed."""
        return any("{draw}" in word for word in self.overrides)


@dataclass(frozen=True)
class Scale:
    """How a claim's runs are done: as published, or in small.

    Attributes:
        overrides: of every arm.
        seeds: the number of seeds, 0, 1, ...; at least three.
        cost: how long it takes, in words.
        rules: all must hold.
        draws: of each control that has several.
        pairs: of copies in each analysis of stability.
        seen: what runs at this scale have shown, and why we think they did.
    """

    overrides: tuple[str, ...]
    seeds: int
    cost: str
    rules: tuple[Rule, ...]
    draws: int = 1
    pairs: int = 3
    seen: str = ""

    def draws_of(self, arm: Arm) -> int:
        """Return how many draws of an arm there are."""
        return self.draws if arm.is_drawn else 1


@dataclass(frozen=True)
class Claim:
    """A claim of a paper.

    Attributes:
        id: the name of its file.
        statement: one sentence.
        source: where it stands.
        published: the numbers of the source, in words; "" if none was read.
        ours: what differs from the source here.
        needs: pieces that lottery does not have yet; then nothing is run.
        arms: the groups of runs that are compared, by name.
        scales: by name; `small` may be missing.
    """

    id: str
    statement: str
    source: Source
    published: str
    ours: str
    needs: tuple[str, ...]
    arms: Mapping[str, Arm]
    scales: Mapping[str, Scale]
