"""logged.json: how a run is called where it is logged, and what was logged of its rounds."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from lottery.record.files import damaged, write_json
from lottery.record.run_dir import RunDir
from lottery.record.typed import read_typed

REPAIR = "remove it; the run is then logged under a new id"


class LoggedJson(TypedDict):
    """The content of logged.json."""

    id: str  # drawn when the run is first logged: another run of the same folder has another
    runs: dict[str, str]  # ids that a tracking server gave to the run over the rounds, by logger
    rounds: dict[str, list[int]]  # that the run over the rounds shows, by logger


@dataclass(frozen=True)
class Logged:
    """The file of one run; it is written when the run is first logged."""

    run_dir: RunDir

    def id_of(self, round_name: str) -> str:
        """Return the id of a round's logger, the same at every attempt at the round."""
        return f"{self._read()['id']}-{round_name}"

    def run_of(self, logger: str) -> str | None:
        """Return the id that a server gave to the run over the rounds."""
        return self._read()["runs"].get(logger)

    def note_run(self, logger: str, run: str) -> None:
        """Keep the id that a server gave to the run over the rounds; it shows no round yet."""
        entry = self._read()
        entry["runs"][logger] = run
        entry["rounds"].pop(logger, None)
        write_json(self.run_dir.logged_json, entry)

    def rounds_of(self, logger: str) -> list[int]:
        """Return the rounds that a logger's run over the rounds shows."""
        return self._read()["rounds"].get(logger, [])

    def note_rounds(self, logger: str, rounds: Iterable[int]) -> None:
        """Keep which rounds a logger's run over the rounds shows."""
        entry = self._read()
        entry["rounds"][logger] = sorted(rounds)
        write_json(self.run_dir.logged_json, entry)

    def _read(self) -> LoggedJson:
        path = self.run_dir.logged_json
        if not path.exists():
            first: LoggedJson = {"id": secrets.token_hex(4), "runs": {}, "rounds": {}}
            write_json(path, first)
        entry = read_typed(path, LoggedJson, REPAIR)
        if not re.fullmatch(r"[0-9a-f]{8}", entry["id"]):  # folders to be removed are named by it
            raise damaged(path, f"the id {entry['id']!r} is none of lottery's", REPAIR)
        return entry
