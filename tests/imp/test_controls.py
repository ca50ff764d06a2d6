"""Controls: runs whose masks are copied from a finished run, their trunk."""

from pathlib import Path

import pandas as pd
import torch

from lottery.api import Run, load_run
from lottery.masks import count_ones
from tests.conftest import TINY, Done, Lottery, snapshot, tensor_files

RUN = (*TINY, "rounds=2")


def _runs(done: Done) -> list[Run]:
    assert done.code == 0, done.err
    jobs = pd.read_csv(Path(done.out.splitlines()[-1]) / "jobs.csv")
    return [load_run(path) for path in jobs["run"]]


def _copy(lottery: Lottery, run: Path, *overrides: str) -> Run:
    done = lottery(*RUN, "criterion=copy", f"criterion.run={run}", *overrides)
    assert done.code == 0, done.err
    return load_run(done.run)


def _equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(some[name], others[name]) for name in some.keys() | others.keys())


def test_random_reinit_draws_other_weights_under_the_trunks_masks(lottery: Lottery) -> None:
    trunk = load_run(lottery(*RUN).run)
    copy = ("criterion=copy", f"criterion.run={trunk.path}", "reinit=random")
    controls = _runs(lottery("-m", *RUN, *copy, "reinit.draw=0,1"))
    for number in (1, 2):
        starts = [run.weights(number, "start") for run in (*controls, trunk)]
        masks = trunk.masks(number)
        for name, mask in masks.items():
            one, other, theirs = (start[name][mask] for start in starts)
            assert (one != other).all()
            assert (one != theirs).all()
            assert (other != theirs).all()
        assert all(_equal(run.masks(number), masks) for run in controls)
    # fresh in every round, not one draw for all
    live = trunk.masks(2)["fc1.weight"]
    first, second = (controls[0].weights(number, "start")["fc1.weight"] for number in (1, 2))
    assert (first != second)[live].all()


def test_dense_round_is_the_trunks(lottery: Lottery) -> None:
    trunk = lottery(*RUN).run
    before = snapshot(trunk)
    control = _copy(lottery, trunk, "reinit=random")
    assert tensor_files(control.path / "rounds" / "00") == tensor_files(trunk / "rounds" / "00")
    rows = [(path / "results.csv").read_text().splitlines()[1] for path in (trunk, control.path)]
    assert rows[0] == rows[1]
    timing = [pd.read_csv(path / "timing.csv").iloc[0] for path in (trunk, control.path)]
    pd.testing.assert_series_equal(*timing)  # adopted, not trained again
    assert snapshot(trunk) == before


def test_dense_round_is_trained_where_something_shapes_it(lottery: Lottery) -> None:
    trunk = load_run(lottery(*RUN).run)
    for change in ("optimizer.lr=0.002", "seeds.init=9", "seeds.order=9", "seed=1"):
        control = _copy(lottery, trunk.path, change)
        theirs, ours = trunk.weights(0, "final"), control.weights(0, "final")
        assert not torch.equal(theirs["fc1.weight"], ours["fc1.weight"]), change
        assert _equal(control.masks(2), trunk.masks(2))
    # seeds.init=0 is drawn from the same number as seed=0
    control = _copy(lottery, trunk.path, "seeds.init=0")
    assert _equal(control.weights(0, "final"), trunk.weights(0, "final"))


def test_an_unchanged_copy_repeats_its_trunk(lottery: Lottery) -> None:
    trunk = lottery(*RUN).run
    control = _copy(lottery, trunk)
    assert control.path != trunk
    results = [(path / "results.csv").read_bytes() for path in (trunk, control.path)]
    assert results[0] == results[1]


def test_random_tickets_have_the_trunks_counts_and_dense_initial_weights(
    lottery: Lottery,
) -> None:
    trunk = load_run(lottery(*RUN).run)
    within = _copy(lottery, trunk.path, "criterion.shuffle=layerwise")
    everywhere = _copy(lottery, trunk.path, "criterion.shuffle=global")
    for run in (within, everywhere):
        initial = run.weights(0, "start")
        for number in (1, 2):
            masks, theirs = run.masks(number), trunk.masks(number)
            assert not any(torch.equal(masks[name], theirs[name]) for name in masks)
            assert sum(count_ones(masks).values()) == sum(count_ones(theirs).values())
            if run is within:
                assert count_ones(masks) == count_ones(theirs)
            start = run.weights(number, "start")
            assert all(torch.equal(start[n][m], initial[n][m]) for n, m in masks.items())
            assert all((start[name][mask] != 0).all() for name, mask in masks.items())
        # each round permutes again: round 2's masks are not within round 1's
        revived = run.masks(2)["fc1.weight"] & ~run.masks(1)["fc1.weight"]
        assert revived.any()


def test_a_shuffle_draws_from_the_pruning_seed(lottery: Lottery) -> None:
    trunk = lottery(*RUN).run
    masks = [
        _copy(lottery, trunk, "criterion.shuffle=layerwise", f"seeds.pruning={seed}").masks(1)
        for seed in (1, 2)
    ]
    assert not torch.equal(masks[0]["fc1.weight"], masks[1]["fc1.weight"])


def test_strategy_2_prunes_without_rewinding_and_resets_at_the_end(lottery: Lottery) -> None:
    """The README's one line: the second command gets the last line of the first one's output."""
    continued = lottery(*TINY, "rounds=2", "reinit=none")
    folder = continued.out.splitlines()[-1]
    reset = load_run(lottery(*TINY, "rounds=2", "criterion=copy", f"criterion.run={folder}").run)
    pruned, ticket = load_run(continued.run), load_run(lottery(*TINY, "rounds=2").run)
    assert reset.results.iloc[0].equals(pruned.results.iloc[0])
    initial = reset.weights(0, "start")
    for number in (1, 2):
        masks = pruned.masks(number)
        assert all(torch.equal(mask, masks[name]) for name, mask in reset.masks(number).items())
        start = reset.weights(number, "start")
        assert all(torch.equal(start[name], initial[name] * mask) for name, mask in masks.items())
    # round 1 prunes the dense network in both strategies, round 2 another one
    assert torch.equal(reset.masks(1)["fc1.weight"], ticket.masks(1)["fc1.weight"])
    assert not torch.equal(reset.masks(2)["fc1.weight"], ticket.masks(2)["fc1.weight"])


def test_single_rounds_are_the_ones_of_the_whole(lottery: Lottery) -> None:
    trunk = lottery(*RUN).run
    some = _copy(lottery, trunk, "reinit=random", "criterion.rounds=[2]", "output_dir=some")
    assert list(some.results["round"]) == [0, 2]
    whole = _copy(lottery, trunk, "reinit=random")
    pd.testing.assert_frame_equal(
        some.results, whole.results[whole.results["round"] != 1].reset_index(drop=True)
    )
    # the rest later, in the same folder
    later = _copy(lottery, trunk, "reinit=random", "output_dir=some")
    assert later.path == some.path
    pd.testing.assert_frame_equal(later.results, whole.results)


def test_each_seed_copies_from_its_own(lottery: Lottery) -> None:
    trunks = _runs(lottery("-m", *RUN, "seed=0,1"))
    above = trunks[0].path.parent
    assert trunks[1].path.parent == above
    controls = _runs(lottery("-m", *RUN, "seed=0,1", "criterion=copy", f"criterion.run={above}"))
    assert len({run.path.parent for run in controls}) == 1
    for control, trunk in zip(controls, trunks, strict=True):
        assert control.path.name == trunk.path.name
        assert _equal(control.masks(2), trunk.masks(2))
        assert _equal(control.weights(0, "start"), trunk.weights(0, "start"))
    assert not _equal(controls[0].masks(2), controls[1].masks(2))


def test_a_trunk_by_relative_path_and_absolute_is_one(lottery: Lottery) -> None:
    trunk = lottery(*RUN).run
    control = _copy(lottery, trunk)
    assert _copy(lottery, trunk.relative_to(Path.cwd())).path == control.path
    assert _copy(lottery, trunk.parent).path == control.path
