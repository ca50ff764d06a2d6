"""Criteria of gradients: by hand, by finite differences, and that they leave nothing behind."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from lottery.data import Split
from lottery.masks import Masks
from lottery.models import VisionTransformer
from lottery.models.state import State
from lottery.pruning import Criterion, GradientMagnitude, Grasp, Layerwise, ScoredPruner, Snip
from lottery.pruning.interface import Trained
from lottery.tensors import Tensors, digest
from tests.helpers.probes import examples, half_square, make, trained_network
from tests.helpers.toy_runs import ToyDropout, ToyResNet, toy_splits

ALL = [GradientMagnitude(1, 8), Snip(1, 8), Grasp(1, 8, 200)]


def _linear(*weights: float) -> nn.Module:
    network = nn.Linear(len(weights), 1, bias=False).double()
    network.weight.data.copy_(torch.tensor([weights]))
    return network


# H = mean of x x' = [[2, 1], [1, 1]]; at w = (1, -3): g = H w = (-1, -2), H g = (-4, -3)
QUADRATIC = Split(
    torch.tensor([[2.0, 1.0], [0.0, 1.0]], dtype=torch.float64), torch.zeros(2, dtype=torch.long)
)


@pytest.mark.parametrize(
    ("criterion", "scores"),
    [
        (GradientMagnitude(1, 2), [1, 2]),
        (Snip(1, 2), [1, 6]),
        (Grasp(1, 2, 1), [-4, 9]),
        (Grasp(1, 2, 10), [-4e-4, 9e-4]),  # logits / 10: H / 100, g / 100
        (GradientMagnitude(2, 1), [1, 2]),  # the mean of two batches
        (Snip(2, 1), [1, 6]),
        (Grasp(2, 1, 1), [-4, 9]),
    ],
)
def test_two_weights_by_hand(criterion: Criterion, scores: list[float]) -> None:
    trained = trained_network(_linear(1, -3), QUADRATIC, half_square)
    assert criterion(trained)["weight"].flatten().tolist() == pytest.approx(scores, rel=1e-12)


def test_grasp_prunes_the_weight_whose_removal_raises_the_gradients_norm() -> None:
    """Without w_0: g = (-3, -3), |g|^2 = 18; without w_1: g = (2, 1), 5, which is as before."""
    trained = trained_network(_linear(1, -3), QUADRATIC, half_square)
    masks = ScoredPruner(Grasp(1, 2, 1), Layerwise(), {"weight": 0.5})(trained)
    assert masks["weight"].tolist() == [[False, True]]


def test_three_weights_by_hand() -> None:
    """One example (1, 2, 0): y = 5, g = y x = (5, 10, 0), H = x x', Hg = 25 (1, 2, 0)."""
    train = Split(torch.tensor([[1.0, 2.0, 0.0]], dtype=torch.float64), torch.zeros(1).long())
    trained = trained_network(_linear(-1, 3, 7), train, half_square)
    for criterion, scores in (
        (GradientMagnitude(1, 1), [5, 10, 0]),
        (Snip(1, 1), [5, 30, 0]),
        (Grasp(1, 1, 1), [-25, 150, 0]),
    ):
        assert criterion(trained)["weight"].flatten().tolist() == pytest.approx(scores)


# A network with hidden units, some weights pruned, against finite differences

TRAIN = examples((4,), 12, 3)


def _network() -> nn.Module:
    return make(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)))


def _masked() -> tuple[Trained, Masks]:
    generator = torch.Generator().manual_seed(1)
    masks = {
        "0.weight": torch.rand(3, 4, generator=generator) < 0.7,
        "2.weight": torch.rand(3, 3, generator=generator) < 0.7,
    }
    return trained_network(_network(), TRAIN, masks=masks), masks


def _loss(trained: Trained, weights: Tensors, temperature: float = 1) -> Tensor:
    tensors = {**trained.state.weights, **weights}
    logits = functional_call(_network(), tensors, TRAIN.inputs)
    return nn.functional.cross_entropy(logits / temperature, TRAIN.targets)


def _moved(trained: Trained, name: str, place: tuple[int, int], factor: float) -> Tensors:
    weight = trained.weights[name].clone()
    weight[place] *= factor
    return trained.weights | {name: weight}


def test_snip_is_w_times_the_gradient_by_finite_differences() -> None:
    trained, masks = _masked()
    scores, step = Snip(1, 12)(trained), 1e-6
    for name, mask in masks.items():
        for place in map(tuple, mask.nonzero().tolist()):
            up, down = (
                _loss(trained, _moved(trained, name, place, f)) for f in (1 + step, 1 - step)
            )
            slope = float(up - down) / (2 * step)  # by the factor c of c w, at c = 1
            assert float(scores[name][place]) == pytest.approx(abs(slope), rel=1e-6, abs=1e-9)


def test_grasp_is_half_the_fall_of_the_squared_gradient_for_a_step_towards_zero() -> None:
    trained, masks = _masked()
    temperature, step = 2.0, 1e-6

    def squared_norm(weights: Tensors) -> float:
        leaves = {name: w.clone().requires_grad_() for name, w in weights.items()}
        gradient = torch.autograd.grad(_loss(trained, leaves, temperature), list(leaves.values()))
        pairs = zip(leaves, gradient, strict=True)
        return sum(float((part * masks[name]).square().sum()) for name, part in pairs)

    scores, signs = Grasp(1, 12, temperature)(trained), set()
    for name, mask in masks.items():
        for place in map(tuple, mask.nonzero().tolist()):
            nearer, farther = (
                squared_norm(_moved(trained, name, place, f)) for f in (1 - step, 1 + step)
            )
            change = (nearer - farther) / (2 * step)
            assert float(scores[name][place]) == pytest.approx(-change / 2, rel=1e-5, abs=1e-10)
            signs.add(change > 0)
    assert signs == {True, False}


def test_gradients_are_taken_at_the_masked_weights() -> None:
    trained, masks = _masked()
    dense = trained_network(_network(), TRAIN)
    zeroed = replace(dense, weights={n: w * masks[n] for n, w in dense.weights.items()})
    assert digest(GradientMagnitude(1, 12)(trained)) == digest(GradientMagnitude(1, 12)(zeroed))
    assert digest(GradientMagnitude(1, 12)(trained)) != digest(GradientMagnitude(1, 12)(dense))


# What they use and what they leave


def _attention() -> nn.Module:
    """torch's faster kernels of attention have no second derivative, which GraSP takes."""
    sizes = {"patch": 3, "depth": 1, "heads": 2, "width": 4}
    return VisionTransformer((3, 6, 6), 3, dropout=0.5, **sizes)


@pytest.mark.parametrize("criterion", ALL, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("builder", [ToyResNet, ToyDropout, _attention])
def test_a_criterion_is_pure(criterion: Criterion, builder: Callable[[], nn.Module]) -> None:
    """Weights, BatchNorm's averages and the random generators are as before, scores the same."""
    network = make(builder)
    train = toy_splits().train
    trained = trained_network(network, replace(train, inputs=train.inputs.double()))
    probe = trained.probe(torch.float64)
    trained = replace(trained, probe=lambda dtype: probe)

    def digests() -> list[str]:
        state = trained.state
        return [digest(t) for t in (state.weights, state.buffers, probe.network.state_dict())]

    before, generator = digests(), torch.get_rng_state()
    first = criterion(trained)
    assert digests() == before
    assert torch.equal(torch.get_rng_state(), generator)
    again = criterion(replace(trained, generator=torch.Generator().manual_seed(0)))
    assert digest(first) == digest(again)
    other = criterion(replace(trained, generator=torch.Generator().manual_seed(1)))
    assert digest(first) != digest(other)  # other examples
    assert {name: score.shape for name, score in first.items()} == {
        name: weight.shape for name, weight in trained.weights.items()
    }


@pytest.mark.parametrize("criterion", ALL, ids=lambda c: type(c).__name__)
def test_batchnorm_normalises_by_the_batch(criterion: Criterion) -> None:
    """Its averages, which say nothing at initialisation, play no part."""
    splits = toy_splits()
    trained = trained_network(make(ToyResNet), splits.train)
    state = trained.state
    averages = {name: b + 3 if "running" in name else b for name, b in state.buffers.items()}
    shifted = replace(trained, state=State(state.weights, averages))
    fresh = replace(shifted, generator=torch.Generator().manual_seed(0))
    assert digest(criterion(trained)) == digest(criterion(fresh))


@pytest.mark.parametrize("criterion", ALL, ids=lambda c: type(c).__name__)
def test_weights_of_half_precision_are_scored_in_float32(criterion: Criterion) -> None:
    network = make(ToyResNet).to(torch.bfloat16)
    scores = criterion(trained_network(network, toy_splits().train))
    assert {score.dtype for score in scores.values()} == {torch.float32}


def test_more_examples_than_there_are_for_training() -> None:
    trained = trained_network(_network(), TRAIN)
    with pytest.raises(ValueError, match="16 of 12 training examples"):
        Snip(2, 8)(trained)
