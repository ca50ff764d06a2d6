"""The rules of the written answer, in numbers that can be checked by eye."""

import math
from pathlib import Path

import pytest

from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.read.comparison import Gains
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import read_run
from lottery.report.read.speed import pooled_ratios
from lottery.report.read.statistics import Summary, summarise
from lottery.report.words.summary_text import write_answers
from lottery.report.words.verdicts import (
    behind_from,
    judge,
    judge_speed,
    matches_down_to,
    with_correction,
)
from tests.helpers.toy_records import record, write_run

FEW = "not enough seeds to say"


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([9.0], FEW),
        ([9.0, 9.0], FEW),
        ([0.3, 0.2, 0.4], "beats"),  # 0.3, half width 4.303 * 0.1 / sqrt(3) = 0.248
        ([0.2, 0.1, 0.3], "matches"),  # 0.2 - 0.248 = -0.048
        ([0.05, -0.05, 0.15], "matches"),  # 0.05 - 0.248 = -0.198
        ([0.0, -0.1, 0.1], "undecided"),  # -0.248 to +0.248
        ([-0.3, -0.2, -0.1], "undecided"),  # -0.448 to +0.048: the mean alone says nothing
        ([-0.4, -0.3, -0.2], "is behind"),  # -0.548 to -0.052
        ([5.0, -0.1, -5.6], "undecided"),
        ([-0.15, -0.16, -0.14, -0.15], "matches"),  # worse, but within the margin
        ([1.0, 1.0, 1.0], "beats"),
        ([0.0, 0.0, 0.0], "matches"),  # not above 0
        ([97.8 - 98.0] * 3, "matches"),  # -0.20000000000000284 in floats
        ([-0.21, -0.21, -0.21], "is behind"),
    ],
)
def test_judge_with_a_margin_of_0_2(gains: list[float], verdict: str) -> None:
    assert judge(summarise(gains), 0.2) == verdict


def test_equal_gains_vary_by_at_least_what_rounding_hides() -> None:
    """Three times one of 297 images more: 0.34, half width 4.303 * 0.34 / sqrt(12) / sqrt(3)."""
    image = 100 / 297
    found = Gains({1: dict.fromkeys(range(3), image)}, dict.fromkeys(range(3), 1), step=image)
    summary = found.best.summary
    assert summary.all_equal
    assert summary.interval == pytest.approx((0.3367 - 0.2414, 0.3367 + 0.2414), abs=1e-3)
    none = Gains({1: dict.fromkeys(range(3), 0.0)}, dict.fromkeys(range(3), 1), step=image)
    assert judge(none.best.summary, 0.2) == "undecided"  # -0.24 to +0.24
    assert judge(none.best.summary, 0.5) == "matches"


def test_a_round_of_another_level_does_not_widen_the_interval() -> None:
    """Seed 2 is judged in round 2, where every seed gains 5 points more."""
    first = {0: 0.9, 1: 1.0, 2: 1.1}
    second = {seed: gain + 5 for seed, gain in first.items()}
    found = Gains({1: first, 2: second}, {0: 1, 1: 1, 2: 2}).best
    assert found.rounds == {0: 1, 1: 1, 2: 2}
    assert found.summary.mean == pytest.approx((0.9 + 1.0 + 6.1) / 3)
    assert found.summary.sd == pytest.approx(0.1)


SURE, UNSURE = summarise([1.0, 1.1, 0.9]), summarise([0.3, 0.2, 0.4])  # p = 0.0033 and 0.035


@pytest.mark.parametrize(
    ("gains", "verdicts"),
    [
        ([UNSURE], ["beats"]),
        ([SURE, UNSURE], ["beats", "beats"]),  # 2 * 0.0033, 1 * 0.035
        ([UNSURE, UNSURE], ["matches", "matches"]),  # 2 * 0.035
        ([SURE, UNSURE, UNSURE], ["beats", "matches", "matches"]),
        ([UNSURE, summarise([9.0])], ["beats", FEW]),  # counts for no test
        ([UNSURE, summarise([-1.0, -1.4, -0.6])], ["matches", "undecided"]),  # 2 * 0.049
    ],
)
def test_holms_correction(gains: list[Summary], verdicts: list[str]) -> None:
    assert with_correction([judge(gain, 0.2) for gain in gains], gains) == verdicts


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([0.5, 0.5], FEW),
        ([0.5, 0.45, 0.55], "learns faster"),
        ([0.5, 0.9, 1.1], "undecided"),
        ([2.0, 2.2, 1.9], "learns more slowly"),
    ],
)
def test_speed(ratios: list[float], verdict: str) -> None:
    assert judge_speed(summarise([math.log(ratio) for ratio in ratios])) == verdict


def test_es_is_pooled_over_neighbouring_rounds() -> None:
    """Seed 0 in round 1 (rounds 1 and 2), seeds 1 and 2 in round 2 (rounds 1 to 3)."""
    es = {n: {0: 100.0 * n, 1: 100.0 * n, 2: 400.0} for n in (1, 2, 3)}
    dense = {n: {0: 300.0, 1: 400.0, 2: 400.0} for n in (0, 1, 2, 3)}
    found = pooled_ratios(es, dense, {0: 1, 1: 2, 2: 2}, grid=0.001)
    assert found is not None
    ratios = [150 / 300, 200 / 400, 1.0]
    assert found.mean == pytest.approx(sum(map(math.log, ratios)) / 3)
    assert pooled_ratios(es, dense, {0: 7}, grid=100) is None  # there is no such round
    assert pooled_ratios(es, dense, {0: 1}, grid=0) is None  # evaluated once


MATCH, BEST, WORSE = ([0.0, 0.01, 0.02], [1.0, 1.1, 0.9], [-1.0, -1.1, -0.9])
OPEN = [0.5, -1.0, 0.3]


@pytest.mark.parametrize(
    ("rounds", "down_to", "behind"),
    [
        ({}, None, None),
        ({1: MATCH, 2: BEST, 3: MATCH}, 3, None),
        ({1: MATCH, 2: OPEN, 3: MATCH}, 1, None),  # ends at the first that does not match
        ({1: OPEN, 2: MATCH}, None, None),
        ({1: WORSE, 2: MATCH, 3: WORSE}, None, 3),  # behind in every later round
        ({15: WORSE, 7: WORSE, 3: MATCH}, 3, 7),  # only some rounds, in any order
        ({1: MATCH, 2: WORSE, 3: OPEN}, 1, None),
    ],
)
def test_where_matching_ends(
    rounds: dict[int, list[float]], down_to: int | None, behind: int | None
) -> None:
    gains = {number: summarise(values) for number, values in rounds.items()}
    assert matches_down_to(gains, 0.2) == down_to
    assert behind_from(gains, 0.2) == behind


def test_summary_of_values() -> None:
    summary = summarise([1.0, 2.0, 3.0, 6.0])
    assert (summary.count, summary.mean, summary.lowest, summary.highest) == (4, 3.0, 1.0, 6.0)
    # Variance (4 + 1 + 0 + 9) / 3, three degrees of freedom: t = 3.182
    half_width = 3.18245 * math.sqrt(14 / 3 / 4)
    assert summary.interval == pytest.approx((3 - half_width, 3 + half_width), rel=1e-5)
    assert summary.interval == pytest.approx((-0.4374, 6.4374), abs=1e-4)


def test_one_value_has_no_interval() -> None:
    assert math.isnan(summarise([2.0]).interval[0])


@pytest.mark.parametrize(
    ("csr", "faster"),
    [(0.0011, "CSR is 2.0 times as fast"), (0.0066, "dense is 3.0 times as fast"), (None, None)],
)
def test_the_answer_says_which_inference_is_faster(
    tmp_path: Path, csr: float | None, faster: str | None
) -> None:
    path = write_run(tmp_path / "run" / "seed_0", tests=(0.9, 0.91, 0.92))
    entry = record(2, test=0.92, val=0.92, remaining=0.64)
    write_record(RunDir(path), entry | {"timing": entry["timing"] | {"inference_csr_ms": csr}})
    (answer,) = write_answers(group_runs([read_run(path)])[0], [])
    (cost,) = (sentence for sentence in answer.sentences if "FLOPs" in sentence)
    assert ("times as fast" in cost) is (faster is not None)
    assert faster is None or all(words in cost for words in (faster, f"{csr} ms", "0.0022 ms"))
