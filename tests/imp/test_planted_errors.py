"""The errors of other systems, planted: a check of the run, or a named invariant test, finds them.

Each error is a wrong piece (a fit, a reinit, a pruner, a scope) that is given to a run.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from lottery.dynamic import Moving
from lottery.imp import BrokenInvariant
from lottery.masks import Masks, masked, ones
from lottery.models.state import Start, State
from lottery.pruning import CopiedPruner, Layerwise, Magnitude, ScoredPruner
from lottery.pruning.scopes import Keep, Layer
from lottery.pruning.top_k import keep_highest
from lottery.reinit import Rewind, Stored
from lottery.tensors import Tensors
from lottery.training import EarlyBird, LightningFit, Outcome
from lottery.training.schedules import StepDrops, Warmup
from tests.helpers.toy_runs import NUM_STEPS, SIZES, AllEqual, run_toy, toy_fit
from tests.imp import test_invariants, test_pruned_weights

RATES = dict.fromkeys(SIZES, 0.2)


@dataclass(frozen=True)
class Training:
    """A round as it is given to a fit."""

    number: int
    start: Start
    masks: Masks
    keep_step: int | None
    moving: Moving | None

    def by(self, fit: LightningFit) -> Outcome:
        return fit(self.number, self.start, self.masks, self.keep_step, moving=self.moving)


@dataclass(frozen=True)
class WrongFit:
    """A fit that trains in a wrong way."""

    wrong: Callable[[LightningFit, Training], Outcome]
    right: LightningFit

    def __call__(
        self,
        round_number: int,
        start: Start,
        masks: Masks,
        keep_step: int | None,
        early_bird: EarlyBird | None = None,
        moving: Moving | None = None,
    ) -> Outcome:
        return self.wrong(self.right, Training(round_number, start, masks, keep_step, moving))


def wrongly(
    wrong: Callable[[LightningFit, Training], Outcome],
) -> Callable[[LightningFit], WrongFit]:
    """Return what `toy_imp` wraps its fit by."""
    return partial(WrongFit, wrong)


@dataclass(frozen=True)
class WrongRewind(Rewind):
    """A rewind that takes something from where it should not."""

    wrong: Callable[[Start, Stored], Start] = lambda start, stored: start

    def __call__(self, stored: Stored) -> Start:
        return self.wrong(super().__call__(stored), stored)


def from_masked_weights(start: Start, stored: Stored) -> Start:
    masks = {name: weight != 0 for name, weight in stored.last.weights.items()}
    return replace(start, weights=masked(start.weights, masks))


def batchnorm_left_alone(start: Start, stored: Stored) -> Start:
    return replace(start, buffers=stored.last.buffers)


def from_the_last_round(start: Start, stored: Stored) -> Start:
    return replace(start, weights=stored.last.weights)


@pytest.mark.parametrize("wrong", [from_masked_weights, batchnorm_left_alone, from_the_last_round])
def test_a_wrong_rewind_is_stopped(
    tmp_path: Path, wrong: Callable[[Start, Stored], Start]
) -> None:
    with pytest.raises(
        BrokenInvariant, match=r"round [12]: the start differs from what is stored"
    ):
        run_toy(tmp_path, reinit=WrongRewind(0, "fresh", wrong))


def in_aliased_weights(fit: LightningFit, training: Training) -> Outcome:
    """As by `param.data = stored`, which trains the stored weights in place."""
    outcome, weights = training.by(fit), training.start.weights
    for name, weight in weights.items():
        weight.copy_(outcome.final.weights[name])
    return replace(outcome, started=State(weights, training.start.buffers))


def test_aliased_initial_weights_are_stopped(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant, match="did not start from the stored start"):
        run_toy(tmp_path, wrap=wrongly(in_aliased_weights))


def over_the_stored_weights(fit: LightningFit, training: Training) -> Outcome:
    outcome = training.by(fit)
    if training.number == 1:
        path = fit.run_dir.round(0).start
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    return outcome


def test_a_stored_start_that_changes_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant, match="round 1: the stored initial weights have changed"):
        run_toy(tmp_path, wrap=wrongly(over_the_stored_weights))


def late_in_the_schedule(fit: LightningFit, training: Training) -> Outcome:
    right = training.by(fit)
    schedule_step = NUM_STEPS * training.number
    later = replace(training, start=replace(training.start, schedule_step=schedule_step))
    return replace(later.by(fit), first_expected=right.first_expected)


def test_a_schedule_that_does_not_begin_again_is_stopped(tmp_path: Path) -> None:
    fit = toy_fit(schedule=StepDrops((NUM_STEPS,), 0.5))
    message = "round 1: the first learning rate was 0.025, 0.05 expected"
    with pytest.raises(BrokenInvariant, match=message):
        run_toy(tmp_path, fit, wrap=wrongly(late_in_the_schedule))


def by_another_schedule(fit: LightningFit, training: Training) -> Outcome:
    right, schedule = training.by(fit), Warmup(steps=2, at=(), factor=1)
    other = replace(fit, optimization=replace(fit.optimization, schedule=schedule))
    return replace(training.by(other), first_expected=right.first_expected)


def test_a_schedule_that_is_not_followed_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant, match="round 0: the first learning rate was"):
        run_toy(tmp_path, wrap=wrongly(by_another_schedule))


def from_the_first_batch(fit: LightningFit, training: Training) -> Outcome:
    """As by a loader that a late rewinding starts from its beginning."""
    right = training.by(fit)
    shifted = replace(training, start=replace(training.start, first_step=0))
    return replace(shifted.by(fit), first_expected=right.first_expected)


def test_batches_that_are_shifted_are_stopped(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant, match=r"round 1: the first batch was \w+, \w+ expected"):
        run_toy(tmp_path, reinit=Rewind(5, "fresh"), wrap=wrongly(from_the_first_batch))


def with_masks_at_the_start_only(fit: LightningFit, training: Training) -> Outcome:
    """Momentum and gradients revive the pruned weights."""
    weights = masked(training.start.weights, training.masks)
    start = replace(training.start, weights=weights)
    return replace(training, start=start, masks=ones(training.masks)).by(fit)


def test_momentum_that_revives_pruned_weights_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(BrokenInvariant, match=r"round 1: conv1.weight .* on a pruned place"):
        run_toy(tmp_path, wrap=wrongly(with_masks_at_the_start_only))


@dataclass(frozen=True)
class WrongScope:
    """Layerwise, with a wrong choice among the scores of a layer."""

    choose: Callable[[Tensor, Tensor, int], Tensor]

    def keep(self, layers: dict[str, Layer], rounds: int) -> dict[str, int]:
        return Layerwise().keep(layers, rounds)

    def __call__(self, scores: Tensors, masks: Masks, keep: Keep) -> Masks:
        assert isinstance(keep, dict)
        return {name: self.choose(scores[name], mask, keep[name]) for name, mask in masks.items()}


@pytest.mark.parametrize("error", [-1, 1])
def test_a_count_wrong_by_one_is_stopped(tmp_path: Path, error: int) -> None:
    def wrong(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        return keep_highest(scores, mask, keep + error)

    with pytest.raises(BrokenInvariant, match=r"round 1: .* weights left, .* expected"):
        run_toy(tmp_path, prune=ScoredPruner(Magnitude(), WrongScope(wrong), RATES))


@pytest.mark.parametrize("keeps_ties", [False, True])
def test_a_threshold_that_ignores_ties_is_stopped(tmp_path: Path, keeps_ties: bool) -> None:
    def by_threshold(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        threshold = scores[mask].sort(descending=True).values[keep - 1]
        return mask & (scores >= threshold if keeps_ties else scores > threshold)

    with pytest.raises(BrokenInvariant, match="weights left"):
        run_toy(tmp_path, prune=ScoredPruner(AllEqual(), WrongScope(by_threshold), RATES))


def test_a_mask_that_comes_back_is_stopped(tmp_path: Path) -> None:
    """SynFlow's public code left pruned weights in the ranking."""

    def unranked(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        places = torch.arange(scores.numel()).reshape(scores.shape)
        return keep_highest(places * 1.0, mask | True, keep)

    run_toy(tmp_path, rounds=(0, 1))
    wrong = ScoredPruner(Magnitude(), WrongScope(unranked), RATES)
    with pytest.raises(BrokenInvariant, match=r"round 2: .* pruned weights came back"):
        run_toy(tmp_path, prune=wrong, rounds=(0, 1, 2))


@pytest.mark.parametrize("shuffle", ["layerwise", "global"])
def test_a_shuffle_that_does_nothing_fails_test_2(tmp_path: Path, shuffle: str) -> None:
    def unshuffled(load: Callable[[int], Masks], shuffle: str) -> CopiedPruner:
        return CopiedPruner(load, "none")

    with pytest.raises(AssertionError):
        test_invariants.assert_copies_have_their_trunks_counts(tmp_path, shuffle, unshuffled)


def test_clipping_over_pruned_gradients_fails_test_3(tmp_path: Path) -> None:
    def clip_all(optimizer: Optimizer) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, 0.01)

    with pytest.raises(AssertionError):
        test_pruned_weights.assert_live_gradients_are_clipped(tmp_path, None, clip_all)


def by_the_test_set(fit: LightningFit, training: Training) -> Outcome:
    """ES is where the test loss is lowest."""
    swapped = replace(fit.splits, val=fit.splits.test, test=fit.splits.val)
    evaluation = replace(fit.evaluation, test_curve=True)
    wrong = replace(fit, load_splits=lambda: swapped, evaluation=evaluation)
    outcome, names = training.by(wrong), {"train": "train", "val": "test", "test": "val"}
    history = [{**entry, "split": names[entry["split"]]} for entry in outcome.history]
    return replace(outcome, history=history)


def test_choosing_by_the_test_set_fails_the_es_test(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        test_invariants.assert_es_is_the_first_minimum(tmp_path, wrap=wrongly(by_the_test_set))


def test_wrapped_pieces_with_nothing_wrong_pass(tmp_path: Path) -> None:
    """The wrong pieces above fail by their errors, and not because they are wrapped."""

    def rightly(fit: LightningFit, training: Training) -> Outcome:
        return training.by(fit)

    prune = ScoredPruner(Magnitude(), WrongScope(keep_highest), RATES)
    run_toy(tmp_path / "run", prune=prune, wrap=wrongly(rightly))
    test_invariants.assert_es_is_the_first_minimum(tmp_path / "es", wrap=wrongly(rightly))
