"""Criteria: what they score, where their randomness comes from, and many tickets at once."""

import pytest
import torch
from torch import Tensor

from lottery.masks import Masks, ones
from lottery.pruning import (
    IN_ALL,
    Balanced,
    Criterion,
    Erk,
    Global,
    Keep,
    LargeInit,
    LargeInitLargeFinal,
    Layerwise,
    Magnitude,
    MagnitudeIncrease,
    Movement,
    Random,
    Scope,
    Trained,
)
from lottery.tensors import Tensors

SHAPES = {"fc1.weight": (6, 5), "fc2.weight": (6, 5), "output.weight": (4, 2)}


def _weights(seed: int) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    # rounded, so that there are ties
    return {n: torch.randn(s, generator=generator).round(decimals=1) for n, s in SHAPES.items()}


def _trained(
    weights: Tensors, masks: Masks | None = None, seed: int = 0, initial: Tensors | None = None
) -> Trained:
    zeros = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    generator = torch.Generator().manual_seed(seed)
    return Trained(1, weights, initial or zeros, masks or ones(weights), generator)


def test_magnitude_is_the_absolute_weight_now_and_not_at_the_beginning() -> None:
    weights = {"w": torch.tensor([[0.5, -2.0], [0.0, 1.0]])}
    scores = Magnitude()(_trained(weights))
    assert scores["w"].tolist() == [[0.5, 2.0], [0.0, 1.0]]
    assert weights["w"].tolist() == [[0.5, -2.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("criterion", "scores"),
    [
        (Magnitude(), [1, 3, 0.5]),
        (LargeInit(), [2, 0.5, 1]),
        (MagnitudeIncrease(), [-1, 2.5, -0.5]),
        (Movement(), [3, 2.5, 0.5]),
        # smaller at the end: 1 of 3, 2, 0; at the beginning: 2, 0, 1
        (LargeInitLargeFinal(), [1 / 3, 0, 0]),
    ],
)
def test_three_weights_by_hand(criterion: Criterion, scores: list[float]) -> None:
    """Of Zhou et al. 2019, with a change of sign, a growth and a fall."""
    final, initial = torch.tensor([[1, -3, 0.5]]), torch.tensor([[-2, -0.5, 1]])
    trained = _trained({"w": final}, initial={"w": initial})
    assert criterion(trained)["w"].flatten().tolist() == pytest.approx(scores)
    assert final.tolist() == [[1, -3, 0.5]]
    assert initial.tolist() == [[-2, -0.5, 1]]


def test_large_at_both_ends_is_a_corner_of_the_plane() -> None:
    """As in the authors' code: what is above one percentile of |w_i| and of |w_f| stays."""
    generator = torch.Generator().manual_seed(0)
    final, initial = torch.randn(2, 30, 20, generator=generator).unbind()
    mask = torch.rand(30, 20, generator=generator) < 0.8
    trained = _trained({"w": 7 * final}, {"w": mask}, initial={"w": initial})
    scores = LargeInitLargeFinal()(trained)["w"]
    kept = Layerwise()({"w": scores}, {"w": mask}, {"w": 150})["w"]
    lowest = [float(values.abs()[kept].min()) for values in (final, initial)]
    corner = (final.abs() >= lowest[0]) & (initial.abs() >= lowest[1]) & mask
    assert torch.equal(corner, kept)
    shares = [
        float((values.abs()[mask] < least).float().mean())
        for values, least in zip((final, initial), lowest, strict=True)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_pruned_weights_have_no_part_in_the_percentiles() -> None:
    final, mask = torch.tensor([5.0, 0.0, 1.0, 2.0]), torch.tensor([True, False, True, True])
    trained = _trained({"w": final}, {"w": mask}, initial={"w": final})
    scores = LargeInitLargeFinal()(trained)["w"][mask]
    assert scores.tolist() == pytest.approx([2 / 3, 0, 1 / 3])


def test_equal_weights_have_equal_percentiles() -> None:
    weights = {"w": torch.tensor([1.0, -1.0, 2.0, 1.0])}
    scores = LargeInitLargeFinal()(_trained(weights, initial=weights))["w"]
    assert scores.tolist() == [0, 0, 0.75, 0]


def test_random_scores_are_reproduced_by_the_generator_alone() -> None:
    first = Random()(_trained(_weights(0), seed=1))
    torch.rand(3)  # somebody else draws from the global generator
    again = Random()(_trained(_weights(9), seed=1))
    other = Random()(_trained(_weights(0), seed=2))
    for name in SHAPES:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])


def test_random_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    Random()(_trained(_weights(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_random_scores_differ_between_layers_of_one_shape() -> None:
    scores = Random()(_trained(_weights(0)))
    assert not torch.equal(scores["fc1.weight"], scores["fc2.weight"])


def test_random_scores_are_uniform() -> None:
    scores = Random()(_trained({"w": torch.zeros(100, 1000)}))["w"]
    counts = torch.histc(scores, bins=10, min=0, max=1)
    assert counts.sum() == 100_000  # all of them in [0, 1]
    assert ((counts - 10_000).abs() < 500).all()  # 5 standard deviations
    assert scores.unique().numel() == scores.numel()  # no ties


OF_WEIGHTS: list[Criterion] = [
    *(Magnitude(), LargeInit(), MagnitudeIncrease(), Movement(), LargeInitLargeFinal())
]


@pytest.mark.parametrize("criterion", [*OF_WEIGHTS, Random()])
def test_scores_have_the_weights_names_and_shapes(criterion: Criterion) -> None:
    scores = criterion(_trained(_weights(0)))
    assert {name: tuple(score.shape) for name, score in scores.items()} == SHAPES


# Many tickets at once: vmap over stacked tickets gives what a loop over them gives.

TICKETS = 3
SCOPES: list[tuple[Scope, Keep]] = [
    (Layerwise(), {"fc1.weight": 11, "fc2.weight": 0, "output.weight": 8}),
    (Layerwise(), {"fc1.weight": 1, "fc2.weight": 20, "output.weight": 5}),
    (Erk(), {"fc1.weight": 10, "fc2.weight": 10, "output.weight": 6}),
    (Balanced(), {"fc1.weight": 8, "fc2.weight": 8, "output.weight": 8}),
    (Global(), {IN_ALL: 25}),
    (Global(), {IN_ALL: 0}),
]


def _masks(seed: int) -> Masks:
    """Masks with exactly 22 of 30, or 8 of 8, places left."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randperm(w.numel(), generator=generator) < 22).reshape(w.shape)
        for name, w in _weights(0).items()
    }


def _stack(tickets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([ticket[name] for ticket in tickets]) for name in SHAPES}


@pytest.mark.parametrize("criterion", OF_WEIGHTS)
@pytest.mark.parametrize(("scope", "keep"), SCOPES)
def test_pruning_under_vmap_equals_a_loop(criterion: Criterion, scope: Scope, keep: Keep) -> None:
    weights = [_weights(seed) for seed in range(TICKETS)]
    starts = [_weights(seed + 10) for seed in range(TICKETS)]
    masks = [_masks(seed) for seed in range(TICKETS)]

    def prune(weights: Tensors, initial: Tensors, masks: Masks) -> Masks:
        return scope(criterion(_trained(weights, masks, initial=initial)), masks, keep)

    together = torch.vmap(prune)(_stack(weights), _stack(starts), _stack(masks))
    one_by_one = _stack([prune(*three) for three in zip(weights, starts, masks, strict=True)])
    for name in SHAPES:
        assert torch.equal(together[name], one_by_one[name])


@pytest.mark.parametrize(("scope", "keep"), SCOPES)
def test_random_pruning_under_vmap_equals_a_loop(scope: Scope, keep: Keep) -> None:
    """Random scores are drawn before: each ticket has a generator, and vmap takes tensors."""
    scores = [Random()(_trained(_weights(0), seed=seed)) for seed in range(TICKETS)]
    masks = [_masks(seed) for seed in range(TICKETS)]

    def choose(scores: Tensors, masks: Masks) -> Masks:
        return scope(scores, masks, keep)

    together = torch.vmap(choose)(_stack(scores), _stack(masks))
    one_by_one = _stack([choose(*pair) for pair in zip(scores, masks, strict=True)])
    for name in SHAPES:
        assert torch.equal(together[name], one_by_one[name])


def test_one_random_criterion_under_vmap_gives_every_ticket_its_own_scores() -> None:
    """With randomness="different"; without it, vmap refuses instead of sharing the numbers."""
    weights = _stack([_weights(0)] * TICKETS)

    def score(weights: Tensors) -> Tensors:
        return Random()(_trained(weights))

    scores = torch.vmap(score, randomness="different")(weights)["fc1.weight"]
    assert scores.shape == (TICKETS, *SHAPES["fc1.weight"])
    assert not torch.equal(scores[0], scores[1])
    with pytest.raises(RuntimeError, match="random"):
        torch.vmap(score)(weights)
