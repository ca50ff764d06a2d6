"""Verdicts by literal effects, their error rates by made-up ones, and what no verdict can be."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lottery.claims.claim import Claim
from lottery.claims.judge import CANNOT_SAY, FAILS, HOLDS, judge_claim, judge_rules
from lottery.claims.measured import POINTS, TIMES, Bound, Place, Unit
from lottery.claims.read import claim_of
from lottery.claims.runs_file import ClaimRuns, runs_file, write_claim_runs
from lottery.report.read.statistics import Summary, summarise
from tests.helpers.toy_claims import toy_arm, toy_arms

NO_ARMS = toy_arms({})


@dataclass(frozen=True)
class Effects:
    """A rule that was measured already."""

    values: Sequence[float]
    bound: Bound = Bound(above=0)  # noqa: RUF009  # it is frozen
    unit: Unit = POINTS
    words: str = "an effect"
    places: tuple[Place, ...] = ()

    def measure(self, _: object) -> Summary:
        return summarise(self.values, band_is_interval=True)


@pytest.mark.parametrize(
    ("values", "bound", "verdict"),
    [
        ([0.3, 0.2, 0.4], Bound(above=0), HOLDS),  # 0.3, half width 0.248
        ([0.2, 0.1, 0.3], Bound(above=0), CANNOT_SAY),
        ([0.2, 0.1, 0.3], Bound(above=-0.2), HOLDS),  # not worse by 0.2
        ([-0.3, -0.2, -0.4], Bound(above=0), FAILS),
        ([-0.3, -0.2, -0.4], Bound(below=0), HOLDS),
        ([-0.3, -0.2, -0.4], Bound(above=-0.2), CANNOT_SAY),  # behind, perhaps by 0.06
        ([51.3, 51.3, 51.3], Bound(51.25, 51.35), HOLDS),
        ([51.3, 51.3, 51.3], Bound(51.35, 51.45), FAILS),
    ],
)
def test_one_rule(values: list[float], bound: Bound, verdict: str) -> None:
    (finding,) = judge_rules([Effects(values, bound)], NO_ARMS)
    assert finding.verdict == verdict
    assert ("seeds would decide" in finding.answer) == (verdict == CANNOT_SAY)


def test_a_bound_of_a_ratio_is_a_ratio() -> None:
    logarithms = [0.7, 0.69, 0.71]  # twice as slow
    (slower,) = judge_rules([Effects(logarithms, Bound(above=1.4), TIMES)], NO_ARMS)
    assert (slower.verdict, slower.effect) == (HOLDS, "2.01 (1.96 to 2.06) times")
    (faster,) = judge_rules([Effects(logarithms, Bound(below=0.5), TIMES)], NO_ARMS)
    assert faster.verdict == FAILS


def test_undecided_says_how_many_seeds_would_decide() -> None:
    (finding,) = judge_rules([Effects([0.2, 0.1, 0.3])], NO_ARMS)
    assert finding.effect == "+0.20 (-0.05 to +0.45) points"
    assert finding.answer == "undecided, about 5 seeds would decide"


def test_error_rates_at_the_bound() -> None:
    """With three rules that are true by nothing, or just not: seven seeds, 1,000 draws each."""
    draws, random_numbers = 1000, random.Random(0)

    def wrong(verdict: str, rules: int) -> int:
        count = 0
        for _ in range(draws):
            effects = [
                Effects([random_numbers.gauss(0, 0.2) for _ in range(7)]) for _ in range(rules)
            ]
            verdicts = {finding.verdict for finding in judge_rules(effects, NO_ARMS)}
            count += verdicts == {HOLDS} if verdict == HOLDS else FAILS in verdicts
        return count

    assert wrong(HOLDS, 1) <= 42  # 2.5 %, and 3.4 standard deviations of 1,000 draws
    assert wrong(FAILS, 1) <= 42
    assert wrong(HOLDS, 3) <= 5  # all three at once
    assert wrong(FAILS, 3) <= 42  # one of three: Holm


def claim(**changes: object) -> Claim:
    entry: dict[str, object] = {
        "statement": "a is better than b",
        "source": {"paper": "P", "place": "figure 1", "read": "text"},
        "arms": {"a": {}, "b": {}},
        "rules": [{"kind": "gain", "of": {"a": 80}, "over": {"b": 80}, "above": 0}],
        "small": {"overrides": ["rounds=1"], "seeds": 3, "cost": "a minute"},
    }
    return claim_of("toy", entry | changes)


@pytest.fixture
def outputs(folder: Path) -> Path:
    toy_arm(folder / "A", [[0.9, 0.93], [0.9, 0.94], [0.9, 0.95]])
    toy_arm(folder / "B", [[0.9, 0.92], [0.9, 0.93], [0.9, 0.94]])
    note(folder)
    return folder


def note(folder: Path, seeds: int = 3, **arms: str) -> None:
    names = {"a": ["A"], "b": ["B"]} | {arm: [name] for arm, name in arms.items()}
    write_claim_runs(folder, claim(), "small", ClaimRuns(seeds, names))


def test_a_claim_is_judged_by_the_runs_that_are_noted(outputs: Path) -> None:
    (verdict,) = judge_claim(claim(), [outputs])
    assert (verdict.verdict, verdict.scale, verdict.seeds) == (HOLDS, "small", 3)
    assert verdict.findings[0].effect == "+1.00 points (the same in all 3 seeds)"


def test_never_by_fewer_seeds_than_it_names(outputs: Path) -> None:
    note(outputs, seeds=4)
    (verdict,) = judge_claim(claim(), [outputs])
    assert verdict.verdict == CANNOT_SAY
    assert verdict.reason == "a: no run of seed 3"
    note(outputs, seeds=2)
    (verdict,) = judge_claim(claim(), [outputs])
    assert verdict.reason.startswith("2 seeds, 3 expected")


def test_why_nothing_can_be_said(outputs: Path) -> None:
    def reason(of: Claim) -> str:
        (verdict,) = judge_claim(of, [outputs])
        assert verdict.verdict == CANNOT_SAY
        return verdict.reason

    assert "an older protocol" in reason(claim(arms={"a": {"overrides": ["x=1"]}, "b": {}}))
    assert reason(claim(needs=["wings"])) == "lottery lacks wings"
    note(outputs, b="C")
    assert reason(claim()) == "b: no run of seeds 0, 1, 2"
    (outputs / "A" / "seed_1" / "rounds" / "01" / "round.json").write_text("{")
    note(outputs)
    assert "a: no run of seed 1" in reason(claim())
    assert "round.json: damaged" in reason(claim())
    runs_file(outputs, "toy", "small").write_text("[]")
    assert "toy.small.json: damaged" in reason(claim())
    runs_file(outputs, "toy", "small").unlink()
    assert reason(claim()) == "not run: lottery-claims run toy scale=small"


def test_words_and_rules_may_change_after_the_runs(outputs: Path) -> None:
    rules = [{"kind": "gain", "of": {"a": 80}, "over": {"b": 80}, "above": 2}]
    (verdict,) = judge_claim(claim(rules=rules, statement="by 2 points"), [outputs])
    assert verdict.verdict == FAILS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 10**12}, "seeds is 1000000000000, 1 to 10,000 expected"),
        ({"seeds": 0}, "seeds is 0, 1 to 10,000 expected"),
        ({"arms": {"a": ["../A"], "b": ["B"]}}, "'../A' is no folder's name"),
        ({"arms": {"a": [".."], "b": ["B"]}}, "'..' is no folder's name"),
        ({"arms": {"a": ["/tmp"], "b": ["B"]}}, "'/tmp' is no folder's name"),
        ({"arms": {"a": ["a" * 300], "b": ["B"]}}, "File name too long"),
        ({"arms": {"a": [], "b": ["B"]}}, "an older protocol"),
        ({"arms": {"a": ["A"], "b": ["B"] * 100_000}}, "an older protocol"),
        ({"arms": {"a": ["A"]}}, "an older protocol"),
    ],
)
def test_a_forged_note_is_one_line(outputs: Path, change: dict[str, object], words: str) -> None:
    path = runs_file(outputs, "toy", "small")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (verdict,) = judge_claim(claim(), [outputs])
    assert verdict.verdict == CANNOT_SAY
    assert words in verdict.reason
