"""From a claim to the runs that it needs: Hydra composes each arm. No torch is imported for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lottery.claims.claim import Claim
from lottery.config.compose import compose_run
from lottery.config.settings import read_settings
from lottery.errors import ConfigError

PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class ArmRuns:
    """The runs of one draw of an arm, all seeds alike."""

    arm: str
    words: tuple[str, ...]  # the overrides, without the seed
    folder: Path  # of the setting; its runs are in seed_0, seed_1, ...
    rounds: tuple[int, ...]  # that each run does
    stability: tuple[int, ...]  # rounds to analyse


def resolve(claim: Claim, scale: str, more: Sequence[str] = ()) -> list[ArmRuns]:
    """Return the runs of a claim, one entry for each draw of an arm.

    Args:
        claim: the claim.
        scale: full or small.
        more: further overrides, which must not change results: a launcher, folders, devices.

    Raises:
        ConfigError: the claim cannot be run at this scale, or an override is wrong.
    """
    protocol = claim.scales.get(scale)
    if claim.needs:
        raise ConfigError(f"{claim.id}: cannot be run yet: lottery lacks {'; '.join(claim.needs)}")
    if protocol is None:
        raise ConfigError(f"{claim.id}: scale={scale}: only {', '.join(claim.scales)}")
    found: list[ArmRuns] = []
    for name, arm in claim.arms.items():
        for draw in range(protocol.draws_of(arm)):
            known = {"draw": str(draw)} | {one.arm: str(one.folder) for one in reversed(found)}
            words = [_fill(word, known, claim, name) for word in arm.overrides]
            own = (*protocol.overrides, *words)
            folder, rounds, _ = _compose(own, Path.cwd())
            if more:
                fixed = folder.name, rounds, False
                folder, rounds, other = _compose((*own, *more), Path.cwd())
                if (folder.name, rounds, other) != fixed:
                    line = " ".join(more)
                    raise ConfigError(f"{line}: changes results or seeds; a claim fixes them")
            found.append(ArmRuns(name, (*own, *more), folder, rounds, arm.stability))
    return found


@cache  # claims share arms
def _compose(words: tuple[str, ...], _: Path) -> tuple[Path, tuple[int, ...], bool]:
    """Return a setting's folder, its rounds, and whether it asks for other seeds or less.

    The second argument is the current folder, in which a relative `output_dir` begins.
    """
    composed = compose_run(words)
    settings = read_settings(composed.config)
    other = bool(settings.seed or settings.dry_run or settings.pruning.target_sparsity)
    return composed.path.parent, tuple(settings.rounds_to_do), other


def _fill(word: str, known: dict[str, str], claim: Claim, arm: str) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in known:
            line = f"{claim.id}: arms.{arm}: {found[0]}"
            raise ConfigError(f"{line}: draw, or an arm that stands before it")
        return known[found[1]]

    return PLACEHOLDER.sub(value, word)
