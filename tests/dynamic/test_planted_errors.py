"""Errors of masks that move, planted: a check of the run, or a named test, finds them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from lottery.config import ProcessRank
from lottery.distributed import rank
from lottery.dynamic import Dynamic, Gmp, Moment, Quota, Rigl, Set, WrongMove
from lottery.dynamic.exchange import exchange
from lottery.imp import BrokenInvariant, Fit
from lottery.masks import Masks
from lottery.pruning import Criterion, Magnitude
from lottery.pruning.top_k import keep_highest
from lottery.record.run_dir import RunDir
from lottery.tensors import load_tensors
from lottery.training import LightningFit, Outcome, mover
from tests.dynamic.test_papers import EVERY_2, assert_equal_masks, of_acdc, of_rigl
from tests.dynamic.test_rounds import ACDC, COUNTS, RIGL, assert_grown_weights_start_afresh
from tests.helpers.ranks import on_ranks
from tests.helpers.toy_dynamic import ENDS, ToyMlp, moves_of_run, record_of, run_dynamic
from tests.helpers.toy_runs import toy_fit


@dataclass(frozen=True)
class Wrong(Rigl):
    """RigL with something wrong in it."""

    wrong: Callable[[Moment, Quota], Masks] = lambda moment, quota: moment.trained.masks

    def __call__(self, moment: Moment) -> Masks:
        return self.wrong(moment, self.quota(moment.stage))


def scores(moment: Moment) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return Magnitude()(moment.trained), {n: g.abs() for n, g in moment.gradients().items()}


def one_more(moment: Moment, quota: Quota) -> Masks:
    more = {name: number + (name == "fc1.weight") for name, number in quota.dropped.items()}
    return exchange(moment.trained, *scores(moment), Quota(more, more))


def one_less(moment: Moment, quota: Quota) -> Masks:
    less = {name: number - (name == "fc1.weight") for name, number in quota.dropped.items()}
    return exchange(moment.trained, *scores(moment), Quota(less, quota.grown))


def what_was_just_dropped(moment: Moment, quota: Quota) -> Masks:
    """Candidates are all weights that are not there after the dropping."""
    drop, grow = scores(moment)
    moved = {}
    for name, mask in moment.trained.masks.items():
        kept = keep_highest(drop[name], mask, int(mask.sum()) - quota.dropped[name])
        moved[name] = kept | keep_highest(grow[name], ~kept, quota.grown[name])
    return moved


def nothing(moment: Moment, quota: Quota) -> Masks:
    return moment.trained.masks


@pytest.mark.parametrize("wrong", [one_more, one_less, what_was_just_dropped, nothing])
def test_a_wrong_number_is_stopped_at_the_update(
    tmp_path: Path, wrong: Callable[[Moment, Quota], Masks]
) -> None:
    message = r"^round 1: the update after step \d+ has dropped .* expected$"
    with pytest.raises(WrongMove, match=message):
        run_dynamic(tmp_path, Wrong(4, 0.75, 0.5, wrong))


def test_a_schedule_that_ends_too_early_is_stopped(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Short(Gmp):
        def steps(self, span: Any) -> list[int]:
            return super().steps(span)[:-1] if span.last else []

        def keep(self, stage: Any) -> Any:
            return Gmp(self.every, self.begin, self.end).keep(stage)

    with pytest.raises(BrokenInvariant, match=r"round 1: .* weights left, .* expected"):
        run_dynamic(tmp_path, Short(4, 0, 0.75), criterion=Magnitude())


@dataclass(frozen=True)
class Changed:
    """A fit whose outcome is changed."""

    change: Callable[[Outcome], Outcome]
    right: LightningFit

    def __call__(self, *given: Any, **named: Any) -> Outcome:
        outcome = self.right(*given, **named)
        return self.change(outcome) if outcome.moved else outcome


def a_weight_left_behind(outcome: Outcome) -> Outcome:
    """A dropped weight is not 0."""
    assert outcome.moved
    weights = dict(outcome.final.weights)
    free = (~outcome.moved.masks["fc1.weight"]).nonzero()[0]
    weights["fc1.weight"] = weights["fc1.weight"].clone()
    weights["fc1.weight"][tuple(free)] = 0.5
    return replace(outcome, final=replace(outcome.final, weights=weights))


def a_row_is_lost(outcome: Outcome) -> Outcome:
    assert outcome.moved
    return replace(outcome, moved=replace(outcome.moved, moves=outcome.moved.moves[1:]))


def an_update_is_left_out(outcome: Outcome) -> Outcome:
    assert outcome.moved
    return replace(outcome, moved=replace(outcome.moved, moves=outcome.moved.moves[3:]))


def an_update_is_lost(outcome: Outcome) -> Outcome:
    assert outcome.moved
    moves = [dict(move) for move in outcome.moved.moves]
    moves[0] |= {"dropped": 0, "grown": 0}
    return replace(outcome, moved=replace(outcome.moved, moves=moves))


def masks_of_the_start(outcome: Outcome) -> Outcome:
    assert outcome.moved
    masks = {name: mask | True for name, mask in outcome.moved.masks.items()}
    return replace(outcome, moved=replace(outcome.moved, masks=masks))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (a_weight_left_behind, r"fc1.weight \(at the end\) has 0.5 on a pruned place"),
        (a_row_is_lost, "has dropped"),
        (an_update_is_left_out, r"masks moved after steps \[8, .*\], \[4, .*\] expected"),
        (an_update_is_lost, "has dropped"),
        (masks_of_the_start, "weights at the end"),
    ],
)
def test_a_wrong_outcome_is_stopped_at_the_end_of_the_round(
    tmp_path: Path, change: Callable[[Outcome], Outcome], message: str
) -> None:
    def wrap(fit: LightningFit) -> Fit:
        return Changed(change, fit)

    with pytest.raises(BrokenInvariant, match=message):
        run_dynamic(tmp_path, RIGL, wrap=wrap)


def test_stale_momentum_fails_the_test_of_grown_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover, "freshen", lambda *_: None)
    with pytest.raises(AssertionError):
        assert_grown_weights_start_afresh(tmp_path)


def test_an_optimizer_that_goes_on_fails_the_test_of_acdc_s_fresh_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover, "load_optimizer", lambda *_: None)
    with pytest.raises(AssertionError):
        assert_equal_masks(tmp_path, EVERY_2, of_acdc, starts_dense=True, resets_all=True)


def of_the_masked_weights(moment: Moment, quota: Quota) -> Masks:
    """The gradient by masked weights is 0 where they are pruned: growth goes by the index."""
    drop, grow = scores(moment)
    masks = moment.trained.masks
    return exchange(
        moment.trained, drop, {name: g * masks[name] for name, g in grow.items()}, quota
    )


def with_signs(moment: Moment, quota: Quota) -> Masks:
    return exchange(moment.trained, Magnitude()(moment.trained), moment.gradients(), quota)


@pytest.mark.parametrize("wrong", [of_the_masked_weights, with_signs])
def test_a_wrong_gradient_fails_the_test_against_the_paper(
    tmp_path: Path, wrong: Callable[[Moment, Quota], Masks]
) -> None:
    with pytest.raises(AssertionError):
        assert_equal_masks(tmp_path, Wrong(2, ENDS, 0.3, wrong), of_rigl)


def test_rigl_wrapped_with_nothing_wrong_is_that_of_the_paper(tmp_path: Path) -> None:
    def right(moment: Moment, quota: Quota) -> Masks:
        return exchange(moment.trained, *scores(moment), quota)

    assert_equal_masks(tmp_path, Wrong(2, ENDS, 0.3, right), of_rigl)


@dataclass(frozen=True)
class OfTheRank(Set):
    """Grows by random numbers of the process's own."""

    def __call__(self, moment: Moment) -> Masks:
        moment.trained.generator.manual_seed(rank())
        return super().__call__(moment)


KINDS: dict[str, tuple[Dynamic, Criterion | None]] = {
    "rigl": (RIGL, None),
    "acdc": (ACDC, Magnitude()),
}


def _train(process: ProcessRank, path: Path, dynamic: Dynamic) -> None:
    run_dynamic(path, dynamic)


def _train_kinds(process: ProcessRank, path: Path) -> None:
    for name, (dynamic, criterion) in KINDS.items():
        run_dynamic(path / name, dynamic, toy_fit(ToyMlp()), criterion=criterion)


def test_ranks_with_other_masks_are_stopped_and_equal_ones_are_those_of_one_process(
    tmp_path: Path,
) -> None:
    errors = on_ranks(2, _train, tmp_path / "wrong", OfTheRank(4, 0.75, 0.5))
    message = "round 1: after step 4 the masks of rank 1 differ from rank 0's"
    assert [str(error) for error in errors] == [message] * 2
    assert on_ranks(2, _train_kinds, tmp_path / "ranks") == [None, None]
    for name, (dynamic, criterion) in KINDS.items():
        many = RunDir(tmp_path / "ranks" / name)
        fit = toy_fit(ToyMlp())
        one = run_dynamic(tmp_path / "one" / name, dynamic, fit, criterion=criterion)
        assert moves_of_run(many) == moves_of_run(one)
        assert record_of(many)["row"]["remaining"] == sum(COUNTS.values()) / 1416
        there = load_tensors(many.round(1).masks)
        for layer, mask in load_tensors(one.round(1).masks).items():
            # two weights of nearly equal gradients or sizes
            assert int((mask != there[layer]).sum()) <= 4
