"""Pruning at initialisation: the initial weights are judged, round by round or at once."""

from pathlib import Path

import pytest
import torch

from lottery import load_run
from lottery.masks import count_ones, masked
from lottery.pruning import (
    Erk,
    Global,
    Magnitude,
    NetworkProbe,
    Random,
    ScoredPruner,
    Snip,
    Trained,
)
from lottery.seeds import derive_seed
from lottery.tensors import Tensors, digest
from tests.conftest import TINY, Lottery
from tests.helpers.toy_runs import ToyResNet, run_toy, toy_fit, toy_splits


class Noting:
    """Magnitude that notes what it was given."""

    def __init__(self) -> None:
        self.given: list[Trained] = []

    def __call__(self, trained: Trained) -> Tensors:
        self.given.append(trained)
        return Magnitude()(trained)


@pytest.mark.parametrize("prune_at", ["init", "trained"])
def test_each_round_judges_the_weights_asked_for_under_the_last_mask(
    tmp_path: Path, prune_at: str
) -> None:
    criterion = Noting()
    rates = dict.fromkeys(("conv1.weight", "conv2.weight", "output.weight"), 0.3)
    pruner = ScoredPruner(criterion, Global(), rates)
    imp, _ = run_toy(tmp_path, prune=pruner, at=prune_at)
    storage = imp.storage
    for number, trained in zip((1, 2), criterion.given, strict=True):
        initial = prune_at == "init"
        state = storage.initial() if initial else storage.final(number - 1)
        before = storage.masks(number - 1)
        under = {n: w for n, w in masked(state.weights, before).items() if n in rates}
        assert digest(trained.weights) == digest(under)
        assert digest(trained.masks) == digest(before)
        assert digest(trained.state.weights | trained.state.buffers) == digest(
            state.weights | state.buffers
        )
        kept = torch.cat([trained.weights[n][m] for n, m in storage.masks(number).items()])
        gone = [w[before[n] & ~storage.masks(number)[n]] for n, w in trained.weights.items()]
        assert kept.abs().min() >= torch.cat(gone).abs().max()


def test_snip_of_a_run_is_snip_of_its_initial_network(tmp_path: Path) -> None:
    """And the network that trains has no traces of it, BatchNorm's averages included."""
    rates = dict.fromkeys(("conv1.weight", "conv2.weight", "output.weight"), 0.8)
    pruner, fit = ScoredPruner(Snip(2, 8), Global(), rates), toy_fit()
    own = ToyResNet()

    def probe(dtype: torch.dtype) -> NetworkProbe:
        return NetworkProbe(own.to(dtype), fit.splits.train, fit.loss, (3, 6, 6))

    imp, rows = run_toy(tmp_path / "a", fit, prune=pruner, at="init", probe=probe)
    storage = imp.storage
    initial = storage.initial()
    weights = {name: initial.weights[name] for name in rates}
    assert not any(bool(b.any()) for n, b in initial.buffers.items() if "running_mean" in n)

    def gradient(batch: slice) -> Tensors:
        network = ToyResNet()
        network.load_state_dict(initial.weights | initial.buffers)
        inputs, targets = toy_splits().train.batch(rows_drawn[batch])
        fit.loss(network(inputs), targets).backward()
        return {n: p.grad for n, p in network.named_parameters() if p.grad is not None}

    generator = torch.Generator().manual_seed(derive_seed(imp.pruning.seed, 1))
    rows_drawn = torch.randperm(44, generator=generator)[:16]
    first, second = gradient(slice(8)), gradient(slice(8, 16))
    scores = {n: (w * (first[n] + second[n]) / 2).abs() for n, w in weights.items()}
    joined = torch.cat([scores[name].flatten() for name in rates])
    kept = torch.cat([storage.masks(1)[name].flatten() for name in rates])
    best = joined.sort(descending=True, stable=True).indices[: int(kept.sum())]
    assert sorted(best.tolist()) == kept.nonzero().flatten().tolist()
    _, without = run_toy(tmp_path / "b", toy_fit(), rounds=(0,))
    assert rows[0] == without[0]


def test_random_pruning_is_the_same_before_and_after_training(tmp_path: Path) -> None:
    """So `pruning.at` has no part in its key."""
    rates = dict.fromkeys(("conv1.weight", "conv2.weight", "output.weight"), 0.3)
    masks = []
    for prune_at in ("init", "trained"):
        pruner = ScoredPruner(Random(), Erk(), rates)
        imp, _ = run_toy(tmp_path / prune_at, prune=pruner, at=prune_at)
        masks.append(digest(imp.storage.masks(2)))
    assert masks[0] == masks[1]


@pytest.mark.parametrize(
    "overrides",
    [
        ["criterion=snip", "scope=global", "criterion.num_batches=2", "criterion.iterations=3"],
        ["criterion=grasp", "trainer.precision=bf16-true"],
        ["criterion=synflow", "scope=global", "criterion.iterations=5"],
        ["criterion=magnitude", "pruning.units=l2", "scope=global"],
    ],
    ids=" ".join,
)
def test_at_once_by_the_command(lottery: Lottery, overrides: list[str]) -> None:
    done = lottery(*TINY, "pruning.at=init", "pruning.one_shot=9", *overrides)
    assert done.code == 0, done.err
    run = load_run(done.run)
    masks, record = run.masks(1), run.results.iloc[1]
    if "pruning.units=l2" in overrides:
        assert set(masks) == {"fc1.weight", "fc2.weight"}
        assert "output.weight keeps all of its outputs" in done.err
        kept = [mask.all(1) for mask in masks.values()]
        assert all(
            torch.equal(units, m.any(1)) for units, m in zip(kept, masks.values(), strict=True)
        )
        assert sum(int(units.sum()) for units in kept) == 54  # 400 x 0.8^9, rounded each time
    else:
        assert record["remaining"] == pytest.approx(0.8**9, abs=0.02)
    left = sum(count_ones(masks).values()) + (1000 if "output.weight" not in masks else 0)
    assert record["flops_remaining"] == 2 * left
    if "criterion=synflow" in overrides:
        assert min(count_ones(masks).values()) > 0
