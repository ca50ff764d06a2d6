"""The errors of other systems, planted: a check of the run, or a named invariant test, sees it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lottery.imp import BrokenInvariant
from lottery.masks import masked
from lottery.models import state
from lottery.models.state import Start
from lottery.pruning import pruners, scopes
from lottery.reinit import Rewind, Stored
from lottery.training import evaluation, fit
from lottery.training.blocks import Blocks
from lottery.training.module import LotteryModule
from lottery.training.schedules import StepDrops
from tests.helpers.toy_runs import NUM_STEPS, run_toy, toy_fit
from tests.imp import test_invariants

Patch = pytest.MonkeyPatch


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


def test_aliased_initial_weights_are_stopped(tmp_path: Path, monkeypatch: Patch) -> None:
    """`param.data = stored` trains the stored weights in place."""

    def write_aliased(network: torch.nn.Module, stored: Any) -> None:
        for name, parameter in network.named_parameters():
            parameter.data = stored.weights[name]

    monkeypatch.setattr(state, "copy_to_cpu", dict)
    monkeypatch.setattr(fit, "write_state", write_aliased)
    with pytest.raises(BrokenInvariant, match="did not start from the stored start"):
        run_toy(tmp_path)


def test_a_stored_start_that_changes_is_stopped(tmp_path: Path, monkeypatch: Patch) -> None:
    training_step = LotteryModule.training_step

    def overwriting(self: LotteryModule, *args: Any) -> Any:
        path = tmp_path / "rounds/00/start.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        if (tmp_path / "rounds/01").exists():
            path.write_bytes(content)
        return training_step(self, *args)

    monkeypatch.setattr(LotteryModule, "training_step", overwriting)
    with pytest.raises(BrokenInvariant, match="round 1: the stored initial weights have changed"):
        run_toy(tmp_path)


def test_a_schedule_that_does_not_begin_again_is_stopped(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    set_rate = LotteryModule._set_learning_rate
    first_round = [True]

    def later(self: LotteryModule, optimizer: torch.optim.Optimizer, step: int) -> None:
        first_round[0] &= not (tmp_path / "rounds/01").exists()
        set_rate(self, optimizer, step if first_round[0] else step + NUM_STEPS)

    monkeypatch.setattr(LotteryModule, "_set_learning_rate", later)
    training = toy_fit(schedule=StepDrops((NUM_STEPS,), 0.5))
    message = "round 1: the first learning rate was 0.025, 0.05 expected"
    with pytest.raises(BrokenInvariant, match=message):
        run_toy(tmp_path, training)


def test_batches_that_are_shifted_are_stopped(tmp_path: Path, monkeypatch: Patch) -> None:
    """As by a loader that a late rewinding starts from its beginning."""
    edges = Blocks.edges

    def from_the_beginning(self: Blocks) -> list[tuple[int, int]]:
        return [(first - self.first, stop - self.first) for first, stop in edges(self)]

    monkeypatch.setattr(Blocks, "edges", from_the_beginning)
    with pytest.raises(BrokenInvariant, match=r"round 1: the first batch was \w+, \w+ expected"):
        run_toy(tmp_path, reinit=Rewind(5, "fresh"))


def test_momentum_that_revives_pruned_weights_is_stopped(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(LotteryModule, "apply_masks", lambda self: None)
    with pytest.raises(BrokenInvariant, match=r"round 1: conv1.weight .* on a pruned place"):
        run_toy(tmp_path)


@pytest.mark.parametrize("error", [-1, 1])
def test_a_count_wrong_by_one_is_stopped(tmp_path: Path, monkeypatch: Patch, error: int) -> None:
    right = scopes.keep_highest

    def wrong(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        return right(scores, mask, keep + error)

    monkeypatch.setattr(scopes, "keep_highest", wrong)
    with pytest.raises(BrokenInvariant, match=r"round 1: .* weights left, .* expected"):
        run_toy(tmp_path)


@pytest.mark.parametrize("keeps_ties", [False, True])
def test_a_threshold_that_ignores_ties_fails_test_1(
    tmp_path: Path, monkeypatch: Patch, keeps_ties: bool
) -> None:
    def by_threshold(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        threshold = scores[mask].sort(descending=True).values[keep - 1]
        return mask & (scores >= threshold if keeps_ties else scores > threshold)

    monkeypatch.setattr(scopes, "keep_highest", by_threshold)
    with pytest.raises(BrokenInvariant, match="weights left"):
        test_invariants.test_1_each_round_removes_exactly_the_asked_number_even_if_all_scores_tie(
            tmp_path, 0.2
        )


def test_a_mask_that_comes_back_is_stopped(tmp_path: Path, monkeypatch: Patch) -> None:
    """SynFlow's public code left pruned weights in the ranking."""
    right = scopes.keep_highest

    def unranked(scores: Tensor, mask: Tensor, keep: int) -> Tensor:
        return right(torch.arange(scores.numel()).reshape(scores.shape) * 1.0, mask | True, keep)

    monkeypatch.setattr(scopes, "keep_highest", right)
    run_toy(tmp_path, rounds=(0, 1))
    monkeypatch.setattr(scopes, "keep_highest", unranked)
    with pytest.raises(BrokenInvariant, match=r"round 2: .* pruned weights came back"):
        run_toy(tmp_path, rounds=(0, 1, 2))


@pytest.mark.parametrize("shuffle", ["layerwise", "global"])
def test_a_shuffle_that_does_nothing_fails_test_2(
    tmp_path: Path, monkeypatch: Patch, shuffle: str
) -> None:
    monkeypatch.setattr(pruners, "_permute", lambda mask, generator: mask)
    with pytest.raises(AssertionError):
        test_invariants.test_2_copied_masks_have_their_trunks_counts(tmp_path, shuffle)


def test_a_schedule_that_is_not_followed_is_stopped(tmp_path: Path, monkeypatch: Patch) -> None:
    def goes_on(self: LotteryModule, optimizer: torch.optim.Optimizer, step: int) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 * 0.9**self.start.num_steps

    monkeypatch.setattr(LotteryModule, "_set_learning_rate", goes_on)
    with pytest.raises(BrokenInvariant, match="round 0: the first learning rate was"):
        test_invariants.test_4_after_a_rewind_everything_is_as_stored(tmp_path)


def test_clipping_over_pruned_gradients_fails_test_3(tmp_path: Path, monkeypatch: Patch) -> None:
    def unmasked(self: LotteryModule, clip_norm: float) -> None:
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)

    monkeypatch.setattr(LotteryModule, "_clip_gradients", unmasked)
    with pytest.raises(AssertionError):
        test_invariants.test_3_pruned_coordinates_are_not_in_a_clipped_norm(tmp_path)


def test_choosing_by_the_test_set_fails_the_es_test(tmp_path: Path, monkeypatch: Patch) -> None:
    right = evaluation.Evaluator.__post_init__

    def swapped(self: evaluation.Evaluator) -> None:
        right(self)
        self.splits = replace(self.splits, val=self.splits.test, test=self.splits.val)
        record = self._record
        names = {"val": "test", "test": "val"}
        self._record = lambda step, split, result: record(  # type: ignore[method-assign]
            step, names[split], result
        )

    monkeypatch.setattr(evaluation.Evaluator, "__post_init__", swapped)
    with pytest.raises(AssertionError):
        test_invariants.test_es_is_the_first_minimum_of_validation_loss(tmp_path)
