"""Judge a claim by the runs that are there: holds, does not hold, or cannot say (and why)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lottery.claims.arms import Arms
from lottery.claims.claim import Claim
from lottery.claims.measured import Bound, CannotSay
from lottery.claims.rules import Rule
from lottery.claims.runs_file import ClaimRuns, open_arms, read_claim_runs
from lottery.record.files import DamagedFile
from lottery.report.read.significance import holm, p_value, seeds_for
from lottery.report.read.statistics import LEVEL, Summary
from lottery.report.words.table import plural
from lottery.report.words.verdicts import DECIMALS

HOLDS = "holds"
FAILS = "does not hold"
CANNOT_SAY = "cannot say"
GOOD_POWER = 0.9


@dataclass(frozen=True)
class Finding:
    """One rule and what was found; `summary` is None if it could not be measured."""

    rule: Rule
    verdict: str
    missing: str = ""  # why it could not be measured
    summary: Summary | None = None

    @property
    def words(self) -> str:
        """The rule with its bound, in one sentence."""
        return f"{self.rule.words}: {self.rule.bound.words(self.rule.unit.name)}"

    @property
    def effect(self) -> str:
        """What was measured, with its interval."""
        return "-" if self.summary is None else self.rule.unit.describe(self.summary)

    @property
    def answer(self) -> str:
        """The verdict; of one that is undecided, how many seeds would decide."""
        if self.verdict != CANNOT_SAY or self.summary is None:
            return self.verdict
        size = abs(_distance(self))
        seeds = seeds_for(size, self.summary.sd, GOOD_POWER) if size > 0 else None
        needed = plural(seeds, "seed") if seeds else "over a thousand seeds"
        return f"undecided, about {needed} would decide"


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim at one scale ("" if it has none)."""

    claim: Claim
    scale: str
    verdict: str
    reason: str = ""  # what is missing
    seeds: int = 0
    findings: tuple[Finding, ...] = ()


def judge_claim(claim: Claim, folders: Sequence[Path]) -> list[Verdict]:
    """Judge a claim at each scale of which there are runs; without any, say what is missing."""
    if claim.needs:
        return [Verdict(claim, "", CANNOT_SAY, f"lottery lacks {'; '.join(claim.needs)}")]
    found = []
    for scale in claim.scales:
        try:
            known = (read_claim_runs(folder, claim, scale) for folder in folders)
            runs = next((one for one in known if one is not None), None)
        except DamagedFile as error:
            found.append(Verdict(claim, scale, CANNOT_SAY, str(error)))
            continue
        if runs is not None:
            found.append(_judge(claim, scale, folders, runs))
    return found or [Verdict(claim, "", CANNOT_SAY, _not_run(claim))]


def _not_run(claim: Claim) -> str:
    if "small" in claim.scales:
        return f"not run: lottery-claims run {claim.id} scale=small"
    return f"not run, and there is no small scale; full: {claim.scales['full'].cost}"


def _judge(claim: Claim, scale: str, folders: Sequence[Path], runs: ClaimRuns) -> Verdict:
    protocol, again = claim.scales[scale], f"lottery-claims run {claim.id} scale={scale}"
    verdict = Verdict(claim, scale, CANNOT_SAY, seeds=runs.seeds)
    if not runs.is_current:
        return replace(verdict, reason=f"the runs follow an older protocol of the claim: {again}")
    if runs.seeds < protocol.seeds:
        return replace(verdict, reason=f"{runs.seeds} seeds, {protocol.seeds} expected: {again}")
    findings = judge_rules(protocol.rules, open_arms(folders, runs, protocol.pairs))
    verdicts = [finding.verdict for finding in findings]
    if FAILS in verdicts:
        return replace(verdict, verdict=FAILS, findings=findings)
    if CANNOT_SAY not in verdicts:
        return replace(verdict, verdict=HOLDS, findings=findings)
    reasons = [finding.missing for finding in findings if finding.missing]
    return replace(verdict, reason="; ".join(dict.fromkeys(reasons)), findings=findings)


def judge_rules(rules: Sequence[Rule], arms: Arms) -> tuple[Finding, ...]:
    """Judge the rules of a claim, which holds if all hold and fails if one is shown to fail.

    All rules must hold, so each is tested by its own interval (an intersection-union test). One
    of several that fails could do so by chance, so failing is corrected by Holm's method.
    """
    findings = [_measure(rule, arms) for rule in rules]
    tested = [one for one in findings if one.summary is not None]
    corrected = iter(holm([_p_of_failing(one) for one in tested]))
    return tuple(_decide(one, next(corrected)) if one.summary else one for one in findings)


def _measure(rule: Rule, arms: Arms) -> Finding:
    try:
        return Finding(rule, CANNOT_SAY, summary=rule.measure(arms))
    except CannotSay as error:
        return Finding(rule, CANNOT_SAY, str(error))
    except DamagedFile as error:
        return Finding(rule, CANNOT_SAY, str(error))


def _decide(finding: Finding, p_of_failing: float) -> Finding:
    summary = finding.summary
    assert summary is not None
    distance = _distance(finding)
    half = (summary.interval[1] - summary.interval[0]) / 2
    if round(distance - half, DECIMALS) > 0:
        return replace(finding, verdict=HOLDS)
    if round(distance + half, DECIMALS) < 0 and p_of_failing < 1 - LEVEL:
        return replace(finding, verdict=FAILS)
    return finding


def _distance(finding: Finding) -> float:
    """Return how far the mean is on the right side of its bound; negative on the wrong side."""
    assert finding.summary is not None
    bound: Bound = finding.rule.unit.bound(finding.rule.bound)
    mean = finding.summary.mean
    above = math.inf if bound.above is None else mean - bound.above
    below = math.inf if bound.below is None else bound.below - mean
    return min(above, below)


def _p_of_failing(finding: Finding) -> float:
    distance = _distance(finding)
    assert finding.summary is not None
    return p_value(replace(finding.summary, mean=distance)) if distance < 0 else 1.0
