"""Which rounds are done and kept: the plan, the target sparsity, keep=winner."""

from pathlib import Path

import pytest

from lottery.api import Run, load_run
from tests.conftest import TINY, Done, Lottery, snapshot


def _assert_trained(done: Done, rounds: int) -> Run:
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert list(run.results["round"]) == list(range(rounds + 1))
    return run


def test_dry_run_tells_the_plan_and_writes_nothing(lottery: Lottery, folder: Path) -> None:
    done = lottery("dry_run=true", "trainer.threads=1", "rounds=3")
    assert done.code == 0, done.err
    assert snapshot(folder) == {}
    lines = [line.split() for line in done.out.splitlines()]
    for layer in (
        ["fc1.weight", "19,200", "20", "%"],
        ["fc2.weight", "30,000", "20", "%"],
        ["output.weight", "1,000", "10", "%"],
    ):
        assert any(line[: len(layer)] == layer for line in lines)
    shares = [line[2] for line in lines if line[:1] == ["round"]]
    assert shares == ["100.00", "80.20", "64.34", "51.63"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["rounds=3"],
        ["rounds=3", "scope=global"],
        ["pruning.one_shot=3"],
        ["rounds=2", "pruning.rates=[{fc1*: 0},{output*: 0.7}]", "pruning.exclude=[fc2*]"],
    ],
    ids=["layerwise", "global", "one-shot", "rates"],
)
def test_dry_run_foretells_the_ladder_and_folder(lottery: Lottery, overrides: list[str]) -> None:
    plan = lottery(*TINY, *overrides, "dry_run=true").out.splitlines()
    done = lottery(*TINY, *overrides)
    assert done.code == 0, done.err
    foretold = [line.split()[2] for line in plan if line.strip().startswith("round ")]
    remaining = load_run(done.run).results["remaining"]
    assert foretold == [f"{100 * share:.2f}" for share in remaining]
    assert any(line.split()[-1:] == [str(done.run)] for line in plan)


def test_keep_winner_keeps_what_extending_needs(lottery: Lottery) -> None:
    kept = lottery(*TINY, "rounds=3", "keep=winner")
    results = (kept.run / "results.csv").read_bytes()
    winner = int(load_run(kept.run).results.iloc[1:]["val"].to_numpy().argmax()) + 1
    for number in range(4):
        files = {file.stem for file in (kept.run / "rounds" / f"{number:02d}").iterdir()}
        assert {"masks", "round"} <= files
        assert ({"start", "es", "final"} <= files) == (number in {0, 3, winner})
    more = _assert_trained(lottery(*TINY, "rounds=4", "keep=winner"), rounds=4)
    assert more.path == kept.run
    whole = _assert_trained(lottery(*TINY, "rounds=4", "output_dir=all"), rounds=4)
    assert (more.path / "results.csv").read_bytes().startswith(results)
    assert (more.path / "results.csv").read_bytes() == (whole.path / "results.csv").read_bytes()


def test_keep_winner_lets_skipped_rounds_of_a_copy_follow(lottery: Lottery) -> None:
    trunk = lottery(*TINY, "rounds=5").run
    copy = (*TINY, "rounds=5", "criterion=copy", f"criterion.run={trunk}", "keep=winner")
    assert lottery(*copy, "criterion.rounds=[5]").code == 0
    _assert_trained(lottery(*copy), rounds=5)


def test_target_sparsity_ends_the_rounds(lottery: Lottery) -> None:
    target = (*TINY, "rounds=5", "pruning.target_sparsity=0.35")
    run = _assert_trained(lottery(*target), rounds=2)  # 19.8 %, then 35.66 %
    longer = _assert_trained(lottery(*TINY, "rounds=4"), rounds=4)
    assert longer.path == run.path
    table = lottery(*target).out.splitlines()
    assert [line.split()[0] for line in table[1:-1]] == ["0", "1", "2"]


def test_dry_run_says_when_the_target_sparsity_is_not_reached(lottery: Lottery) -> None:
    plan = lottery("dry_run=true", "pruning.target_sparsity=0.9", "rounds=8").out
    assert "pruning.target_sparsity=0.9 is not reached" in plan
    plan = lottery("dry_run=true", "pruning.target_sparsity=0.9", "rounds=12").out
    assert "not reached" not in plan
