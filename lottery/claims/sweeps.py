"""Do the sweeps that claims need, each in a process of its own; they resume as all runs do."""

import csv
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from lottery.claims.claim import Claim
from lottery.claims.resolve import ArmRuns, resolve
from lottery.claims.runs_file import ClaimRuns, write_claim_runs
from lottery.errors import LotteryError
from lottery.record.files import DamagedFile, open_regular
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped, handling

STABILITY = "from lottery.cli.stability import main; main()"  # found where a script is not


class SweepsFailed(LotteryError):
    """Some sweeps have failed; the others were done."""


@dataclass(frozen=True)
class Sweep:
    """The runs of one setting, and the claims that share them."""

    arm: ArmRuns
    seeds: int
    pairs: int
    claims: tuple[str, ...]

    @property
    def runs(self) -> list[RunDir]:
        """The folders of its runs."""
        return [RunDir(self.arm.folder / f"seed_{seed}") for seed in range(self.seeds)]

    @property
    def finished(self) -> list[RunDir]:
        """Its runs that have all their rounds."""
        return [run for run in self.runs if set(self.arm.rounds) <= set(run.finished_rounds())]

    @property
    def not_analysed(self) -> list[RunDir]:
        """Its runs whose stability is not analysed yet."""
        return [run for run in self.runs if not _is_analysed(run, self.arm.stability, self.pairs)]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return len(self.finished) == self.seeds and not self.not_analysed

    @property
    def words(self) -> list[str]:
        """Its overrides."""
        return [*self.arm.words, f"seed={','.join(map(str, range(self.seeds)))}"]

    def stability_words(self, run: RunDir) -> list[str]:
        """The arguments of `lottery-stability` for one of its runs."""
        rounds = ",".join(map(str, self.arm.stability))
        return [str(run.path), "--rounds", rounds, "--pairs", str(self.pairs)]

    def describe(self) -> str:
        """Say what it is and how far it is, then its command."""
        arm, trainings = self.arm, self.seeds * len(self.arm.rounds)
        lines = [
            f"{arm.arm} of {', '.join(self.claims)}: {self.seeds} seeds, {trainings} trainings; "
            f"{len(self.finished)} of {self.seeds} runs are finished",
            f"    lottery -m {shlex.join(self.words)}",
        ]
        if arm.stability:
            done = self.seeds - len(self.not_analysed)
            lines[0] += f", {done} analysed"
            lines.append(f"    lottery-stability {shlex.join(self.stability_words(self.runs[0]))}")
        return "\n".join(lines)


def find_sweeps(
    claims: Sequence[Claim], scale: str, *, seeds: int | None = None, more: Sequence[str] = ()
) -> tuple[list[Sweep], dict[str, list[ArmRuns]]]:
    """Return the sweeps that claims need, each once, and the runs of each claim.

    Args:
        claims: the claims.
        scale: full or small.
        seeds: their number; None for that of each claim. Fewer than that are no verdict.
        more: see `resolve`.
    """
    arms = {claim.id: resolve(claim, scale, more) for claim in claims}
    shared: dict[tuple[tuple[str, ...], tuple[int, ...]], Sweep] = {}
    for claim in claims:
        protocol = claim.scales[scale]
        for arm in arms[claim.id]:
            new = Sweep(arm, max(seeds or 0, protocol.seeds), protocol.pairs, (claim.id,))
            old = shared.get((arm.words, arm.stability), new)
            users = tuple(dict.fromkeys([*old.claims, claim.id]))
            most = max(old.seeds, new.seeds), max(old.pairs, new.pairs)
            shared[arm.words, arm.stability] = Sweep(arm, *most, users)
    return list(shared.values()), arms


def note_runs(
    claims: Sequence[Claim], scale: str, arms: Mapping[str, Sequence[ArmRuns]], seeds: int | None
) -> Path:
    """Note which runs each claim has, for `lottery-claims judge`; return the outputs' folder."""
    outputs = next(iter(arms.values()))[0].folder.parent
    for claim in claims:
        by_arm: dict[str, list[str]] = {}
        for arm in arms[claim.id]:
            by_arm.setdefault(arm.arm, []).append(arm.folder.name)
        count = max(seeds or 0, claim.scales[scale].seeds)
        write_claim_runs(outputs, claim, scale, ClaimRuns(count, by_arm))
    return outputs


def do_sweeps(sweeps: Sequence[Sweep]) -> Iterator[str]:
    """Do what is left of some sweeps, one after the other; yield a line before each.

    Raises:
        SweepsFailed: at the end, if some have failed.
        Stopped: a signal came; the sweep has saved its runs.
    """
    failed = 0
    for number, sweep in enumerate(sweeps, start=1):
        state = "finished" if sweep.is_done else sweep.describe()
        yield f"[{number}/{len(sweeps)}] {state}"
        if len(sweep.finished) < sweep.seeds:
            _call("-m", "lottery", "-m", *sweep.words)
        if len(sweep.finished) == sweep.seeds:
            for run in sweep.not_analysed:
                _call("-c", STABILITY, *sweep.stability_words(run))
        failed += not sweep.is_done
    if failed:
        raise SweepsFailed(f"{failed} of {len(sweeps)} sweeps are not whole; see above")


def _call(*arguments: str) -> None:
    """Run Python in a process group of its own, and hand our signals on to it.

    So Ctrl-C reaches it once: a second one would stop its runs without a checkpoint.
    """
    environment = {"LOTTERY_REPORT": "0"} | os.environ
    command = [sys.executable, *arguments]
    noted: list[int] = []
    with subprocess.Popen(command, env=environment, process_group=0) as process:

        def hand_on(signum: int, _: object) -> None:
            noted.append(signum)
            process.send_signal(signum)

        with handling(hand_on):
            process.wait()
    if noted:
        raise Stopped(noted[0], "")


def _is_analysed(run: RunDir, rounds: Sequence[int], pairs: int) -> bool:
    """Return whether the tables of `lottery-stability` have these pairs of these rounds."""
    if not rounds:
        return True
    try:
        with open_regular(run.stability.pairs_csv) as file:
            rows = list(csv.DictReader(StringIO(file.read().decode())))
    except (FileNotFoundError, DamagedFile, UnicodeDecodeError, csv.Error):
        return False  # lottery-stability tells what is damaged
    found = {(row.get("round"), row.get("pair")) for row in rows}
    return all((str(n), str(pair)) in found for n in rounds for pair in range(pairs))
