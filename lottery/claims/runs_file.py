"""Which runs a claim has, as `lottery-claims run` notes it beside them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lottery.claims.arms import Arms
from lottery.claims.claim import Claim
from lottery.record.files import DamagedFile, damaged, json_digest, write_json
from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import RunDir
from lottery.record.schema import ClaimRunsJson
from lottery.record.typed import read_typed
from lottery.report.read.runs import read_run

REPAIR = "remove it and run lottery-claims run again"
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class ClaimRuns:
    """The runs of a claim at one scale: the settings of its arms, and how many seeds."""

    seeds: int
    arms: dict[str, list[str]]  # the folder of each draw, by arm
    is_current: bool = True  # they follow the claim's protocol as it is now


def runs_file(outputs: Path, claim: str, scale: str) -> Path:
    """Return where the runs of a claim are noted."""
    return outputs / "claims" / f"{claim}.{scale}.json"


def write_claim_runs(outputs: Path, claim: Claim, scale: str, runs: ClaimRuns) -> None:
    """Note which runs a claim has."""
    entry: ClaimRunsJson = {
        "digest": protocol_digest(claim, scale),
        "seeds": runs.seeds,
        "arms": runs.arms,
    }
    # two processes may do the sweeps of one claim
    write_json(runs_file(outputs, claim.id, scale), entry, shared=True)


def read_claim_runs(outputs: Path, claim: Claim, scale: str) -> ClaimRuns | None:
    """Return the runs that are noted; None if there is no note."""
    path, protocol = runs_file(outputs, claim.id, scale), claim.scales[scale]
    try:
        entry = read_typed(path, ClaimRunsJson, REPAIR)
    except FileNotFoundError:
        return None
    seeds, arms = entry["seeds"], entry["arms"]
    if not 0 < seeds <= MOST_SEEDS:
        raise damaged(path, f"seeds is {seeds}, 1 to {MOST_SEEDS:,} expected", REPAIR)
    for name in (name for names in arms.values() for name in names):
        if name in ("", "..") or name != Path(name).name:  # a path, which could lead anywhere
            raise damaged(path, f"{name!r} is no folder's name", REPAIR)
    draws = {name: protocol.draws_of(arm) for name, arm in claim.arms.items()}
    is_current = (
        entry["digest"] == protocol_digest(claim, scale)
        and {name: len(names) for name, names in arms.items()} == draws
    )
    return ClaimRuns(seeds, arms, is_current)


def protocol_digest(claim: Claim, scale: str) -> str:
    """Return a digest of what the runs of a claim depend on; its rules and words are no part."""
    protocol = claim.scales[scale]
    arms = {name: asdict(arm) for name, arm in claim.arms.items()}
    return json_digest([protocol.overrides, protocol.draws, protocol.pairs, arms])


def open_arms(folders: Sequence[Path], runs: ClaimRuns, pairs: int) -> Arms:
    """Open the runs of a claim, each in the first folder that has it."""
    problems: list[str] = []
    found = {
        arm: [
            {
                seed: run
                for seed in range(runs.seeds)
                if (run := _open(folders, setting, seed, problems)) is not None
            }
            for setting in settings
        ]
        for arm, settings in runs.arms.items()
    }
    return Arms(found, range(runs.seeds), pairs, tuple(problems))


def _open(
    folders: Sequence[Path], setting: str, seed: int, problems: list[str]
) -> OpenedRun | None:
    for folder in folders:
        path = RunDir(folder / setting / f"seed_{seed}")
        try:
            if path.run_json.exists():
                return read_run(path.path)
        except DamagedFile as error:
            problems.append(str(error))
            return None
        except OSError as error:  # a name that is too long
            problems.append(str(DamagedFile(f"{path.path}: {error.strerror}")))
            return None
    return None
