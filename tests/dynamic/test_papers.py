"""Masks of whole rounds equal those of the papers' algorithms, written here a second time."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lottery.data import BatchOrder
from lottery.dynamic import Dynamic, Gmp, Rigl, Set
from lottery.pruning import Magnitude
from lottery.seeds import derive_seed
from lottery.tensors import Tensors, load_tensors
from tests.helpers.toy_dynamic import ENDS, LAYERS, STEPS, ToyMlp, moves_of_run, run_dynamic
from tests.helpers.toy_runs import BATCH, sgd, toy_fit, toy_splits

LAST = 42  # T_end
PRUNING_SEED, ORDER_SEED = 3, 7

Update = Callable[[int, Tensors, Tensors, Tensors], tuple[Tensors, Tensors]]


def gradients_of(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensors:
    network.zero_grad()
    nn.functional.cross_entropy(network(inputs), targets).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def train_plainly(run: Path, update: Update, *, starts_dense: bool) -> Tensors:
    """Train round 1 in a plain loop with SGD by hand; return the masks at its end, 0 and 1."""
    network, folder = ToyMlp(), run / "rounds" / "01"
    network.load_state_dict(load_tensors(run / "rounds" / "00" / "start.safetensors"))
    masks = {n: m.float() for n, m in load_tensors(folder / "start_masks.safetensors").items()}
    if starts_dense:
        assert all(mask.all() for mask in masks.values())
    parameters = dict(network.named_parameters())
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}
    train = toy_splits().train
    order = BatchOrder(num_examples=len(train), batch_size=BATCH, seed=ORDER_SEED, key=1)
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].mul_(mask)
    for t in range(1, STEPS + 1):
        inputs, targets = train.batch(order.rows(t - 1, t)[0])
        gradients = gradients_of(network, inputs, targets)
        with torch.no_grad():
            for name, weight in parameters.items():
                velocity[name] = 0.9 * velocity[name] + (gradients[name] + 0.01 * weight)
                weight.sub_(0.05 * velocity[name])
                weight.mul_(masks.get(name, torch.ones(())))
        if t % 2 == 0 and (t < LAST or (starts_dense and t == LAST)):
            dense = gradients_of(network, inputs, targets)
            weights = {name: parameters[name].detach() for name in LAYERS}
            new, grown = update(t, weights, masks, dense)
            with torch.no_grad():
                for name in LAYERS:
                    parameters[name].mul_(new[name] * (1 - grown[name]))
                    velocity[name] *= 1 - grown[name]
            masks = new
    return masks


def exchange(weights: Tensor, mask: Tensor, k: int, growth: Tensor) -> tuple[Tensor, Tensor]:
    """Drop the k smallest |w| of the active weights, grow the k inactive ones of most growth."""
    active = [i for i, m in enumerate(mask.flatten().tolist()) if m]
    inactive = [i for i, m in enumerate(mask.flatten().tolist()) if not m]
    size, growth = weights.flatten().abs().tolist(), growth.flatten().tolist()
    dropped = sorted(active, key=lambda i: size[i])[:k]
    grown = sorted(inactive, key=lambda i: -growth[i])[:k]
    new, added = mask.flatten().clone(), torch.zeros(mask.numel())
    new[dropped] = 0.0
    new[grown] = added[grown] = 1.0
    return new.reshape(mask.shape), added.reshape(mask.shape)


def of_rigl(t: int, weights: Tensors, masks: Tensors, dense: Tensors) -> tuple[Tensors, Tensors]:
    """Evci et al. 2020: k = alpha / 2 (1 + cos(t pi / T_end)) of the active weights."""
    new, grown = {}, {}
    for name, mask in masks.items():
        active = int(mask.sum())
        k = int(0.3 / 2 * (1 + math.cos(t * math.pi / LAST)) * active)
        k = min(k, mask.numel() - active)
        new[name], grown[name] = exchange(weights[name], mask, k, dense[name].abs())
    return new, grown


def of_set(t: int, weights: Tensors, masks: Tensors, dense: Tensors) -> tuple[Tensors, Tensors]:
    """Mocanu et al. 2018: a constant share zeta, grown at random."""
    generator = torch.Generator().manual_seed(derive_seed(PRUNING_SEED, 1, t))
    new, grown = {}, {}
    for name, mask in masks.items():
        active = int(mask.sum())
        chance = torch.rand(mask.shape, generator=generator, dtype=torch.float64)
        k = min(int(0.3 * active), mask.numel() - active)
        new[name], grown[name] = exchange(weights[name], mask, k, chance)
    return new, grown


def of_gmp(run: Path) -> Update:
    """Zhu & Gupta 2017: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3 with s_i = 0."""
    ends = {n: int(m.sum()) for n, m in load_tensors(run / "rounds/01/masks.safetensors").items()}

    def update(
        t: int, weights: Tensors, masks: Tensors, dense: Tensors
    ) -> tuple[Tensors, Tensors]:
        new = {}
        for name, mask in masks.items():
            final = 1 - ends[name] / mask.numel()
            sparsity = final + (0 - final) * (1 - t / (21 * 2)) ** 3
            keep = round(mask.numel() * (1 - sparsity))
            score = torch.where(mask > 0, weights[name].abs(), -1.0).flatten().tolist()
            kept = sorted(range(mask.numel()), key=lambda i: -score[i])[:keep]
            flat = torch.zeros(mask.numel())
            flat[kept] = 1.0
            new[name] = flat.reshape(mask.shape)
        return new, {name: torch.zeros_like(mask) for name, mask in masks.items()}

    return update


def assert_equal_masks(path: Path, dynamic: Dynamic, update: Update | None) -> None:
    starts_dense = update is None
    fit = toy_fit(ToyMlp(), optimizer=sgd)
    run = run_dynamic(path, dynamic, fit, criterion=Magnitude() if starts_dense else None)
    assert len({move["step"] for move in moves_of_run(run)}) >= 20
    there = load_tensors(run.round(1).masks)
    ours = train_plainly(path, update or of_gmp(path), starts_dense=starts_dense)
    for name, mask in ours.items():
        assert torch.equal(mask.bool(), there[name]), name


def test_rigl_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Rigl(every=2, end=ENDS, fraction=0.3), of_rigl)


def test_set_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Set(every=2, end=ENDS, fraction=0.3), of_set)


def test_gmp_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Gmp(every=2, begin=0, end=ENDS), None)
