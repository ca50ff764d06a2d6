"""The rules of the written answer, in numbers that can be checked by eye."""

import math
from pathlib import Path

import pytest

from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import read_run
from lottery.report.read.statistics import summarise
from lottery.report.words.summary_text import write_answers
from lottery.report.words.verdicts import falls_below_from, judge
from tests.helpers.toy_records import record, write_run

FEW = "not enough seeds to say"


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([9.0], FEW),
        ([9.0, 9.0], FEW),
        ([0.3, 0.2, 0.4], "beats"),  # 0.3, half width 4.303 * 0.1 / sqrt(3) = 0.248
        ([0.2, 0.1, 0.3], "matches"),  # 0.2, half width 0.248: the bound is below 0
        ([1.0, 1.0, 1.0], "beats"),
        ([0.0, 0.0, 0.0], "matches"),  # not above 0
        ([-0.2, -0.2, -0.2], "matches"),  # at least -0.2 points
        ([-0.3, -0.2, -0.1], "matches"),
        ([-0.21, -0.21, -0.21], "is behind"),
        ([97.8 - 98.0] * 3, "matches"),  # -0.20000000000000284 in floats
        ([-0.4, 0.1, 0.0], "matches"),  # the mean counts: -0.1
        ([5.0, -0.1, -5.6], "is behind"),  # the mean counts, not the interval: -0.233
    ],
)
def test_judge(differences: list[float], verdict: str) -> None:
    assert judge(summarise(differences)) == verdict


@pytest.mark.parametrize(
    ("means", "first"),
    [
        ({}, None),
        ({1: 0.2, 2: -0.5}, None),  # 0.5 points below is not more than 0.5
        ({1: 0.2, 2: -0.51}, 2),
        ({1: -0.6, 2: -0.7, 3: -0.8}, 1),
        ({1: -0.6, 2: -0.4, 3: -0.8}, 3),  # every later mean
        ({1: -0.6, 2: -0.7, 3: -0.1}, None),  # the last round is not below
        ({15: -2.0, 7: -0.6, 3: 0.1}, 7),  # only some rounds, in any order
        ({1: 97.5 - 98.0}, None),
    ],
)
def test_falls_below_from(means: dict[int, float], first: int | None) -> None:
    assert falls_below_from(means) == first


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
