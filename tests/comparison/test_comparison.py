"""Runs compared: a trunk with itself, with its random ticket, and round by round."""

from pathlib import Path

import pandas as pd
import pytest

import lottery as package
from lottery.errors import ConfigError
from lottery.record.run_dir import RunDir
from tests.conftest import Lottery

QUICK = ("rounds=2", "iterations=60", "evaluation.every=20", "trainer.threads=1", "logger=none")


def of_all(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["layer"] == "all"].reset_index(drop=True)


@pytest.fixture
def control(run: Path, lottery: Lottery) -> Path:
    """The random ticket of `run`."""
    copying = ("criterion=copy", f"criterion.run={run}", "criterion.shuffle=layerwise")
    return lottery(*QUICK, *copying).run


def test_a_trunk_and_its_random_ticket_overlap_as_by_chance(run: Path, control: Path) -> None:
    found = package.compare(run, package.load_run(control), rounds=[1, 2])
    assert found.notes == ()
    assert len(found.pairs) == 2 * 4
    assert set(found.pairs["first"]) == {"ticket"}
    assert set(found.pairs["second"]) == {"random ticket"}
    distance = (found.pairs["overlap"] - found.pairs["overlap_chance"]).abs()
    assert (distance < 5 * found.pairs["overlap_chance_sd"]).all()
    together = of_all(found.pairs)
    assert list(together["same_start_signs"]) == [1.0, 1.0]  # both start from W_0
    assert (together["overlap"] < 0.7).all()
    assert list(together["first_kept"]) == list(together["second_kept"])
    flips = of_all(found.networks)
    assert list(flips["flips_from_initial"]) == list(flips["flips_from_start"])


def test_a_run_and_itself_are_equal(run: Path) -> None:
    pairs = package.compare(run, run, rounds=[2]).pairs
    for column in ("overlap", "same_start_signs", "same_final_signs", "magnitude_correlation"):
        assert list(pairs[column]) == [1.0] * 4, column
    assert list(pairs["hamming"]) == [0.0] * 4


def test_one_run_is_compared_round_by_round(run: Path) -> None:
    """Masks are nested: the overlap is the ratio of what they keep."""
    found = package.compare(run)
    together = of_all(found.pairs)
    rounds = list(zip(together["first_round"], together["second_round"], strict=True))
    assert rounds == [(0, 1), (0, 2), (1, 2)]
    assert list(together["overlap"]) == list(together["second_kept"] / together["first_kept"])
    networks, results = of_all(found.networks), package.load_run(run).results
    assert list(networks["density"]) == list(results["remaining"])
    assert networks["effective_density"][0] == 1.0
    assert list(networks["units"]) == [410] * 3
    assert list(networks["fan_in_max"][:1]) == [300]


def test_signs_flip_where_a_weight_has_another_sign_than_at_the_start(run: Path) -> None:
    stored = package.load_run(run)
    initial, final, masks = stored.weights(0, "start"), stored.weights(2, "final"), stored.masks(2)
    flipped = {
        name: int((initial[name][mask].sign() != final[name][mask].sign()).sum())
        for name, mask in masks.items()
    }
    networks = package.compare(run).networks.set_index(["round", "layer"])
    for name, count in flipped.items():
        kept = int(masks[name].sum())
        assert networks.loc[(2, name), "flips_from_initial"] == count / kept
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert networks.loc[(2, "all"), "flips_from_initial"] == sum(flipped.values()) / kept


def test_weights_that_are_gone_leave_cells_empty(run: Path) -> None:
    RunDir(run).round(1).final.unlink()
    found = package.compare(run, rounds=[0, 1])
    assert of_all(found.pairs)["same_final_signs"].isna().all()
    assert of_all(found.pairs)["same_start_signs"].notna().all()
    assert found.notes == (
        "the final weights of seed 0, round 1 are gone (keep=winner): what needs them is empty",
    )


@pytest.fixture
def other(folder: Path, lottery: Lottery) -> Path:
    """A run of a user's network."""
    (folder / "wide.py").write_text(
        "from torch import nn\n\n"
        "class Wide(nn.Sequential):\n"
        "    def __init__(self, num_classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, num_classes))\n"
    )
    network = ("model._target_=wide.Wide", "model.rates=[]")
    return lottery("rounds=1", "iterations=2", "evaluation.every=2", *network, "logger=none").run


def test_a_network_that_may_have_branches_has_no_effective_density(other: Path) -> None:
    found = package.compare(other)
    assert of_all(found.networks)["effective_density"].isna().all()
    assert of_all(found.networks)["fan_in_max"][0] == 64
    (note,) = found.notes
    assert note.startswith("effective_density and dead_units are empty for seed 0: ")


def test_what_cannot_be_compared(run: Path, other: Path) -> None:
    with pytest.raises(ConfigError, match=r"another network than .*: fc1.weight has no mask, not"):
        package.compare(run, other)
    with pytest.raises(ConfigError, match=r"--rounds: round 7 of .* is not finished; accepted: 0"):
        package.compare(run, rounds=[0, 7])
    with pytest.raises(ConfigError, match="one round, 1; name another run, or a second round"):
        package.compare(run, rounds=[1])
    with pytest.raises(ValueError, match="runs: at least one"):
        package.compare()
