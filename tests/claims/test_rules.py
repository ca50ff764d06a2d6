"""Each kind of rule, in numbers that can be checked by eye; what is no rule is one line."""

import math
from pathlib import Path
from typing import Any

import pytest

from lottery.claims.accuracy_rules import Gain, Speed
from lottery.claims.mask_rules import Emptied, Left
from lottery.claims.measured import Bound, CannotSay, Place
from lottery.claims.rules import read_rule
from lottery.claims.stability_rules import Distance, Instability, Untrained
from lottery.record.run_dir import RunDir
from tests.helpers.toy_claims import toy_arm, toy_arms, write_stability
from tests.helpers.toy_records import record, rewrite_record

ZERO = Bound(above=0)


def test_a_gain_is_paired_by_seed_and_draws_count_as_their_mean(folder: Path) -> None:
    arms = toy_arms(
        {
            "a": [toy_arm(folder / "a", [[0.95, 0.93], [0.96, 0.95], [0.97, 0.96]])],
            "b": [
                toy_arm(folder / "b0", [[0.9, 0.92], [0.9, 0.94], [0.9, 0.94]]),
                toy_arm(folder / "b1", [[0.9, 0.90], [0.9, 0.92], [0.9, 0.94]]),
            ],
        }
    )
    # +2, +2 and +2 points over the mean draws 91, 93 and 94
    gain = Gain(Place("a", 80), Place("b", 80), ZERO).measure(arms)
    assert (gain.count, gain.lowest, gain.highest) == pytest.approx((3, 2, 2))
    dense = Gain(Place("a", 81), Place("a", 100), ZERO).measure(arms)
    assert (dense.mean, dense.lowest, dense.highest) == pytest.approx((-4 / 3, -2, -1))
    # at the end, each toy run is 0.1 points worse than at ES
    end = Gain(Place("a", 80), Place("a", 100), ZERO, at="end").measure(arms)
    assert end.mean == pytest.approx(-4 / 3)


def test_speed_is_a_geometric_mean_over_three_rounds(folder: Path) -> None:
    accuracies = [[0.9] * 5] * 3
    ticket = toy_arm(folder / "a", accuracies, es=[[800, 300, 200, 100, 90]] * 3)
    slow = toy_arm(folder / "b", accuracies, es=[[800, 600, 400, 200, 90]] * 3)
    arms = toy_arms({"a": [ticket], "b": [slow]})
    place = Place("a", 64)  # rounds 1 to 3 have a mean ES of 200
    ratios = {
        Speed(Place("b", 64), place, ZERO): 2.0,
        Speed(place, Place("a", 100), ZERO): 0.25,
        Speed(Place("b", 51.2), place, ZERO): 230 / 200,  # 400, 200, 90 over 300, 200, 100
    }
    for rule, ratio in ratios.items():
        assert math.exp(rule.measure(arms).mean) == pytest.approx(ratio)


def test_weights_left_and_emptied_layers(folder: Path) -> None:
    runs = toy_arm(folder / "a", [[0.9, 0.9]] * 3)
    arms = toy_arms({"a": [runs]})
    assert Left("a", 1, ZERO).measure(arms).mean == pytest.approx(80)
    collapse = Emptied(Place("a", 80), "some")
    assert collapse.measure(arms).mean == 0
    for run in list(runs.values())[:2]:
        entry = record(1, test=0.9, val=0.9, remaining=0.8)
        entry["layers"]["output.weight"]["remaining"] = 0
        rewrite_record(run.path, entry)
    opened = toy_arms({"a": [{n: type(run)(RunDir(run.path)) for n, run in runs.items()}]})
    assert collapse.measure(opened).mean == pytest.approx(2 / 3)


def test_rules_of_stability_average_the_pairs_of_a_seed_first(folder: Path) -> None:
    runs, others = (toy_arm(folder / name, [[0.9, 0.9]] * 3) for name in "ab")
    for seed, run in runs.items():
        write_stability(run, 1, barriers=[0.01, 0.03, 0.5], l2=2, untrained=0.5 + 0.1 * seed)
        write_stability(others[seed], 1, barriers=[0.1, 0.1, 0.1], l2=6)
    arms = toy_arms({"a": [runs], "b": [others]}, pairs=2)  # a third pair is not looked at
    place = Place("a", 80)
    assert Instability(place, ZERO).measure(arms).mean == pytest.approx(2)
    assert math.exp(Distance(Place("b", 80), place, ZERO).measure(arms).mean) == pytest.approx(3)
    assert Untrained(place, ZERO).measure(arms).mean == pytest.approx(60)
    with pytest.raises(CannotSay, match="has not analysed it in seeds 0, 1, 2 by 4 pairs"):
        Instability(place, ZERO).measure(toy_arms({"a": [runs]}, pairs=4))
    arms = toy_arms({"a": [toy_arm(folder / "c", [[0.9] * 3] * 3)]})
    with pytest.raises(CannotSay, match="a at 64 %: lottery-stability has not analysed it"):
        Instability(Place("a", 64), ZERO).measure(arms)


def test_what_is_missing_is_named(folder: Path) -> None:
    runs = toy_arm(folder / "a", [[0.9, 0.9]] * 3)
    found = {"a": [runs], "b": [{0: runs[0]}]}
    gain = Gain(Place("a", 80), Place("b", 80), ZERO)
    with pytest.raises(CannotSay, match=r"^b: no run of seeds 1, 2$"):
        gain.measure(toy_arms(found))
    with pytest.raises(
        CannotSay, match=r"^a: no round with 64 % of the weights in seeds 0, 1, 2$"
    ):
        Gain(Place("a", 64), Place("a", 100), ZERO).measure(toy_arms(found))


GAIN = {"kind": "gain", "of": {"a": 80}, "over": {"a": 100}, "above": 0}


def test_a_rule_is_read_into_its_kind() -> None:
    assert read_rule(GAIN, "rules[0]") == Gain(Place("a", 80), Place("a", 100), Bound(above=0))
    entry = {"kind": "emptied", "of": {"a": 0.1}, "layers": "none"}
    assert read_rule(entry, "rules[0]").bound == Bound(below=0.5)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "better"}, "rules[0].kind is 'better'; one of gain, speed"),
        ({"above": None}, "rules[0]: above or below is missing"),
        ({"above": "0"}, "rules[0]: bound.above is '0', a number expected"),
        ({"at": "last"}, "rules[0]: at is 'last'; one of es, end"),
        ({"of": {"a": 0}}, "a: 0 % of the weights left; above 0 to 100"),
        ({"of": {"a": 1, "b": 1}}, "rules[0]: of: one arm with its percent"),
        ({"of": "a"}, "rules[0]: of is 'a', an object expected"),
        ({"over": None}, "rules[0].over is missing"),
        ({"margin": 1}, "rules[0].margin: no such field of gain"),
        ({"kind": "speed", "of": {"a": 100}}, "rules[0]: of is dense; put it into over"),
    ],
)
def test_a_wrong_rule_is_one_line(change: dict[str, Any], line: str) -> None:
    entry = {name: value for name, value in (GAIN | change).items() if value is not None}
    with pytest.raises(ValueError, match=r"^\S") as raised:
        read_rule(entry, "rules[0]")
    assert line in str(raised.value)
