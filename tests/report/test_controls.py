"""Which settings are controls of which, and how they are compared."""

from pathlib import Path
from typing import Any

import pytest

from lottery.report.read.controls import against_dense, compare_with_controls
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import read_run
from tests.helpers.toy_records import (
    CHAINED,
    COPIED,
    RANDOM_PRUNING,
    RANDOM_REINIT,
    RANDOM_TICKET,
    TRUNK,
    toy_record,
    write_controls,
)
from tests.helpers.toy_settings import COPY, FINETUNED


def test_controls_at_equal_sparsity_paired_by_seed(tmp_path: Path) -> None:
    settings, _ = group_runs([read_run(path) for path in write_controls(tmp_path)])
    pairs = {pair.control: pair for pair in compare_with_controls(settings)}
    assert sorted(pairs) == ["random pruning", "random reinit", "random ticket"]
    assert all(pair.ticket.label == "ticket" for pair in pairs.values())
    # Rounds 1 to 3: the ticket gains 0.4 points a round, random reinit loses 1.
    found = pairs["random reinit"].gains.values
    assert sorted(found) == [1, 2, 3]
    assert found[2] == pytest.approx({0: 2.8, 1: 2.8, 2: 2.8})


def compared(tmp_path: Path, control: dict[str, Any], **arguments: Any) -> list[Any]:
    ticket = toy_record(tmp_path / TRUNK / "seed_0")
    other = toy_record(tmp_path / COPY / "seed_0", canonical=control, **arguments)
    return compare_with_controls(group_runs([ticket, other])[0])


@pytest.mark.parametrize(
    "control",
    [
        CHAINED,
        COPIED,  # nothing is random
        RANDOM_REINIT | {"criterion.run": "digits-lenet_300_100-another-trunk"},
        RANDOM_REINIT | {"optimizer.lr": 0.1},
        RANDOM_TICKET | {"reinit.to": 100},
        RANDOM_PRUNING | {"scope._target_": "lottery.pruning.Global"},
    ],
    ids=["chained", "copied", "other trunk", "other optimizer", "other start", "other scope"],
)
def test_what_is_no_control_is_not_compared(tmp_path: Path, control: dict[str, Any]) -> None:
    assert not compared(tmp_path, control)


@pytest.mark.parametrize(
    "retrained",
    [FINETUNED, COPIED | {"reinit._target_": "lottery.reinit.Sign"}, COPIED | {"reinit.to": 100}],
    ids=["finetune", "sign", "rewound"],
)
def test_the_same_masks_trained_otherwise_stand_beside_their_ticket(
    tmp_path: Path, retrained: dict[str, Any]
) -> None:
    (pair,) = compared(tmp_path, retrained)
    assert pair.role.startswith("copied masks")
    shuffled = retrained | {"criterion.shuffle": "layerwise"}
    assert not compared(tmp_path / "shuffled", shuffled)


def test_other_sparsities_are_not_compared(tmp_path: Path) -> None:
    assert compared(tmp_path / "same", RANDOM_PRUNING)
    assert not compared(tmp_path / "other", RANDOM_PRUNING, rate=0.3)


def test_controls_of_one_trunk_count_as_one(tmp_path: Path) -> None:
    """Three reinits of one ticket tell nothing about other tickets."""
    runs = [toy_record(tmp_path / TRUNK / "seed_0")] + [
        toy_record(
            tmp_path / COPY / f"seed_{seed}",
            tests=[0.95, 0.90 + 0.01 * seed, 0.90],
            canonical=RANDOM_REINIT | {"criterion.run": f"{TRUNK}/seed_0"},
        )
        for seed in range(3)
    ]
    (pair,) = compare_with_controls(group_runs(runs)[0])
    assert pair.gains.values[1] == pytest.approx({0: 5.0})  # 96 minus the mean of 90, 91, 92
    assert pair.gains.summaries[1].count == 1


def test_gains_over_dense_are_by_seed(tmp_path: Path) -> None:
    runs = [
        toy_record(tmp_path / TRUNK / "seed_0", tests=[0.95, 0.96, 0.97]),
        toy_record(tmp_path / TRUNK / "seed_1", tests=[0.90, 0.89, 0.88]),
    ]
    (setting,), _ = group_runs(runs)
    gains = against_dense(setting)
    assert gains is not None
    assert gains.values == {
        1: pytest.approx({0: 1.0, 1: -1.0}),
        2: pytest.approx({0: 2.0, 1: -2.0}),
    }
    # By the validation of the other seed: seed 1 was best in round 1, seed 0 in round 2
    assert gains.picks == {0: 1, 1: 2}
    assert gains.best.summary.mean == pytest.approx((1.0 - 2.0) / 2)


def test_draws_of_a_control_count_once(tmp_path: Path) -> None:
    """Three draws of random reinit are one control: their mean, seed by seed."""
    runs = [toy_record(tmp_path / TRUNK / f"seed_{seed}") for seed in range(3)] + [
        toy_record(
            tmp_path / COPY.replace("2" * 8, str(draw) * 8) / f"seed_{seed}",
            tests=[0.95, 0.90 + 0.01 * draw, 0.90],
            canonical=RANDOM_REINIT | {"reinit.draw": draw},
        )
        for draw in range(3)
        for seed in range(3)
    ]
    (pair,) = compare_with_controls(group_runs(runs)[0])
    assert (pair.control, len(pair.draws)) == ("random reinit, 3 draws", 3)
    assert pair.gains.values[1] == pytest.approx({0: 5.0, 1: 5.0, 2: 5.0})
