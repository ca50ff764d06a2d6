"""Masks of whole rounds equal those of the papers' algorithms, written here a second time."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lottery.data import BatchOrder
from lottery.dynamic import AcDc, Dynamic, Gmp, Rigl, Set
from lottery.pruning import Magnitude
from lottery.seeds import derive_seed
from lottery.tensors import Tensors, load_tensors
from lottery.training.schedules import Schedule, Warmup
from tests.helpers.toy_dynamic import ENDS, LAYERS, STEPS, ToyMlp, moves_of_run, run_dynamic
from tests.helpers.toy_runs import BATCH, sgd, toy_fit, toy_splits

LAST = 42  # T_end
PRUNING_SEED, ORDER_SEED = 3, 7


class Now(NamedTuple):
    """What an algorithm looks at when masks move."""

    t: int
    weights: Tensors
    masks: Tensors  # 0 and 1
    dense: Tensors  # gradients of all weights
    ends: dict[str, int]  # weights of each layer at the round's end


Update = Callable[[Now], tuple[Tensors, Tensors]]  # new masks, and what they have grown
Rate = Callable[[int], float]  # learning rate of the step t


def gradients_of(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensors:
    network.zero_grad()
    nn.functional.cross_entropy(network(inputs), targets).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def train_plainly(
    run: Path, update: Update, rate: Rate, *, starts_dense: bool, resets_all: bool
) -> Tensors:
    """Train round 1 in a plain loop with SGD by hand; return the masks at its end, 0 and 1."""
    network, folder = ToyMlp(), run / "rounds" / "01"
    network.load_state_dict(load_tensors(run / "rounds" / "00" / "start.safetensors"))
    masks = {n: m.float() for n, m in load_tensors(folder / "start_masks.safetensors").items()}
    ends = {n: int(m.sum()) for n, m in load_tensors(folder / "masks.safetensors").items()}
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
                weight.sub_(rate(t) * velocity[name])
                weight.mul_(masks.get(name, torch.ones(())))
        if t % 2 == 0 and (t < LAST or (starts_dense and t == LAST)):
            dense = gradients_of(network, inputs, targets)
            weights = {name: parameters[name].detach() for name in LAYERS}
            new, grown = update(Now(t, weights, masks, dense, ends))
            fresh = resets_all and any(places.any() for places in grown.values())
            with torch.no_grad():
                for name in LAYERS:
                    parameters[name].mul_(new[name] * (1 - grown[name]))
                    velocity[name] *= 1 - grown[name]
                for name in parameters:
                    velocity[name] *= 0.0 if fresh else 1.0
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


def of_rigl(now: Now) -> tuple[Tensors, Tensors]:
    """Evci et al. 2020: k = alpha / 2 (1 + cos(t pi / T_end)) of the active weights."""
    new, grown = {}, {}
    for name, mask in now.masks.items():
        active = int(mask.sum())
        k = int(0.3 / 2 * (1 + math.cos(now.t * math.pi / LAST)) * active)
        k = min(k, mask.numel() - active)
        new[name], grown[name] = exchange(now.weights[name], mask, k, now.dense[name].abs())
    return new, grown


def of_set(now: Now) -> tuple[Tensors, Tensors]:
    """Mocanu et al. 2018: a constant share zeta, grown at random."""
    generator = torch.Generator().manual_seed(derive_seed(PRUNING_SEED, 1, now.t))
    new, grown = {}, {}
    for name, mask in now.masks.items():
        active = int(mask.sum())
        chance = torch.rand(mask.shape, generator=generator, dtype=torch.float64)
        k = min(int(0.3 * active), mask.numel() - active)
        new[name], grown[name] = exchange(now.weights[name], mask, k, chance)
    return new, grown


def prune(now: Now, keep: dict[str, int]) -> tuple[Tensors, Tensors]:
    """Keep the largest |w| of the active weights."""
    new = {}
    for name, mask in now.masks.items():
        score = torch.where(mask > 0, now.weights[name].abs(), -1.0).flatten().tolist()
        kept = sorted(range(mask.numel()), key=lambda i: -score[i])[: keep[name]]
        flat = torch.zeros(mask.numel())
        flat[kept] = 1.0
        new[name] = flat.reshape(mask.shape)
    return new, {name: torch.zeros_like(mask) for name, mask in now.masks.items()}


def of_gmp(now: Now) -> tuple[Tensors, Tensors]:
    """Zhu & Gupta 2017: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3 with s_i = 0."""
    keep = {}
    for name, mask in now.masks.items():
        final = 1 - now.ends[name] / mask.numel()
        sparsity = final + (0 - final) * (1 - now.t / (21 * 2)) ** 3
        keep[name] = round(mask.numel() * (1 - sparsity))
    return prune(now, keep)


def of_acdc(now: Now) -> tuple[Tensors, Tensors]:
    """Peste et al. 2021: in turns theta <- T_k(theta), and a mask of ones."""
    if now.t % 4 == 2:
        return prune(now, now.ends)
    ones = {name: torch.ones_like(mask) for name, mask in now.masks.items()}
    return ones, {name: 1 - mask for name, mask in now.masks.items()}


def assert_equal_masks(
    path: Path,
    dynamic: Dynamic,
    update: Update,
    *,
    starts_dense: bool = False,
    resets_all: bool = False,
    schedule: Schedule | None = None,
    rate: Rate = lambda t: 0.05,
) -> None:
    fit = toy_fit(ToyMlp(), optimizer=sgd, schedule=schedule)
    run = run_dynamic(path, dynamic, fit, criterion=Magnitude() if starts_dense else None)
    assert len({move["step"] for move in moves_of_run(run)}) >= 20
    there = load_tensors(run.round(1).masks)
    ours = train_plainly(path, update, rate, starts_dense=starts_dense, resets_all=resets_all)
    for name, mask in ours.items():
        assert torch.equal(mask.bool(), there[name]), name


def test_rigl_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Rigl(every=2, end=ENDS, fraction=0.3), of_rigl)


def test_set_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Set(every=2, end=ENDS, fraction=0.3), of_set)


def test_gmp_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, Gmp(every=2, begin=0, end=ENDS), of_gmp, starts_dense=True)


# a rise over 11 of 44 steps, and a drop after 22
RISE_AND_DROP = Warmup(steps=11, at=(22,), factor=0.1)


def restarted_rate(t: int) -> float:
    """The rate of the step t: 1/11 and 1/10 of it in turns, as two steps stand for 44."""
    if t <= 2:
        return 0.05 * t / 11
    return 0.05 / 11 if t % 2 else 0.05 / 10


def test_gmp_with_restarts_passes_through_the_whole_schedule_after_each_pruning(
    tmp_path: Path,
) -> None:
    restarting = Gmp(every=2, begin=0, end=ENDS, restart=True)
    assert_equal_masks(
        tmp_path,
        restarting,
        of_gmp,
        starts_dense=True,
        schedule=RISE_AND_DROP,
        rate=restarted_rate,
    )


# phases of 2 steps from step 2 to step 42
EVERY_2 = AcDc(begin=2 / 44, phase=2 / 44, end=42 / 44)


def test_acdc_is_that_of_the_paper(tmp_path: Path) -> None:
    assert_equal_masks(tmp_path, EVERY_2, of_acdc, starts_dense=True, resets_all=True)
