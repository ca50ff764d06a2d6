"""Networks of several runs as one: each weight is one tensor, of which each network has a part."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import Optimizer

from lottery.generators import kept_generators
from lottery.masks import apply_masks
from lottery.training.stacked.block import Made, NextBlock

COUNT = "step"  # an optimizer's count of steps, one for all runs; it may have a weight's shape


class CannotStack(Exception):
    """Networks cannot be trained as one; the message says why."""


class Stack:
    """The networks of some runs, their optimizers and their masks, as tensors (runs, ...).

    The runs' own weights become views of these tensors. So does the state of their optimizers
    after each block. What evaluates, stores or loads a run's network needs to know nothing of it.
    """

    def __init__(self, blocks: Sequence[NextBlock]) -> None:
        first = blocks[0]
        _check_equal_alone(blocks)
        self._networks = [block.network for block in blocks]
        self._optimizers = [block.optimizer for block in blocks]
        self._made = first.made
        self._weights = {
            name: nn.Parameter(
                torch.stack([block.weights[name].detach() for block in blocks]),
                requires_grad=weight.requires_grad,
            )
            for name, weight in first.weights.items()
        }
        for number, block in enumerate(blocks):
            for name, weight in block.weights.items():
                weight.data = self._weights[name].data[number]
        names = {id(weight): name for name, weight in first.weights.items()}
        self._optimizer = _stacked_optimizer(blocks, self._weights, names)
        self._pruned = [self._weights[names[id(weight)]] for weight in first.pruned]
        self._factors = [
            torch.stack(list(factors))
            for factors in zip(*(block.factors for block in blocks), strict=True)
        ]
        self._run = _over_runs(first)

    def holds(self, blocks: Sequence[NextBlock]) -> bool:
        """Return whether these runs have gone on in this stack, and nowhere else."""
        return (
            [block.network for block in blocks] == self._networks
            and [block.optimizer for block in blocks] == self._optimizers
            and all(block.made == self._made for block in blocks)
            and all(
                weight.data_ptr() == self._weights[name].data[number].data_ptr()
                for number, block in enumerate(blocks)
                for name, weight in block.weights.items()
            )
        )

    def train(self, blocks: Sequence[NextBlock], stops: Callable[[], bool]) -> list[Made]:
        """Make the steps of a block of each run, fewer if `stops` says so after one."""
        first = blocks[0]
        rows = torch.stack([block.rows for block in blocks], dim=1)
        drawn = None
        if first.drawn is not None:
            drawn = torch.stack([b.drawn for b in blocks if b.drawn is not None], dim=1)
        losses, outputs = [], []
        for step, rates in enumerate(first.rates):
            for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            numbers = None if drawn is None else drawn[step].flatten(0, 1)
            loss, output = self._step(first, rows[step], numbers)
            losses.append(loss)
            if first.keeps_outputs:
                outputs.append(output)
            if stops():
                break
        self._made += len(losses)
        self._share_optimizer_state(blocks)
        return [
            Made(torch.stack(losses)[:, number], [output[number] for output in outputs])
            for number in range(len(blocks))
        ]

    def _step(
        self, block: NextBlock, rows: Tensor, numbers: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        inputs, targets = block.split.batch(rows.flatten(), numbers)
        by_run = [part.reshape(*rows.shape, *part.shape[1:]) for part in (inputs, targets)]
        losses, outputs = self._run(self._weights, *by_run)
        self._optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if block.clip_norm is not None:
            self._clip_gradients(block.clip_norm)
        self._optimizer.step()
        apply_masks(self._pruned, self._factors)
        return losses.detach(), outputs.detach()

    def _clip_gradients(self, clip_norm: float) -> None:
        """Clip the gradient of each run by its own norm, as torch.nn.utils.clip_grad_norm_."""
        pairs = zip(self._pruned, self._factors, strict=True)
        used = [(weight.grad, factor) for weight, factor in pairs if weight.grad is not None]
        apply_masks([grad for grad, _ in used], [factor for _, factor in used])
        grads = [weight.grad for weight in self._weights.values() if weight.grad is not None]
        norms = torch.stack([grad.flatten(1).norm(dim=1) for grad in grads]).norm(dim=0)
        factors = (clip_norm / (norms + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(factors.view(-1, *[1] * (grad.ndim - 1)))

    def _share_optimizer_state(self, blocks: Sequence[NextBlock]) -> None:
        """Give each run's optimizer its part of the state."""
        for number, block in enumerate(blocks):
            for name, weight in block.weights.items():
                # a frozen weight has no state, and an optimizer cannot store one of it
                if entries := self._optimizer.state.get(self._weights[name]):
                    block.optimizer.state[weight] = {
                        entry: _part(entry, value, number) for entry, value in entries.items()
                    }
            for own, group in zip(
                block.optimizer.param_groups, self._optimizer.param_groups, strict=True
            ):
                own["lr"] = group["lr"]


def _part(entry: str, value: Any, number: int) -> Any:
    """Return one run's part of an entry of the optimizer's state, such as Adam's averages."""
    if not isinstance(value, Tensor):
        return value
    # a run that goes on alone must not move the count for the others
    return value.clone() if entry == COUNT else value[number]


def _stacked_optimizer(
    blocks: Sequence[NextBlock], weights: dict[str, nn.Parameter], names: dict[int, str]
) -> Optimizer:
    """Return an optimizer over stacked weights, with the settings and the state of the runs'."""
    first = blocks[0].optimizer
    groups = [
        {**group, "params": [weights[names[id(weight)]] for weight in group["params"]]}
        for group in first.param_groups
    ]
    optimizer = type(first)(groups)  # type: ignore[call-arg]  # the groups have all arguments
    for name, stacked in weights.items():
        states = [block.optimizer.state.get(block.weights[name], {}) for block in blocks]
        if states[0]:
            optimizer.state[stacked] = {
                entry: _together(entry, [state[entry] for state in states]) for entry in states[0]
            }
    return optimizer


def _together(entry: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if not isinstance(first, Tensor):
        return first
    return first.clone() if entry == COUNT else torch.stack(list(values))


def _over_runs(block: NextBlock) -> Callable[..., tuple[Tensor, Tensor]]:
    """Return a function from stacked weights, inputs and targets to losses and outputs."""

    def run(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional_call(block.network, weights, (inputs,))
        return block.loss(outputs, targets), outputs

    over_runs: Callable[..., tuple[Tensor, Tensor]] = vmap(run)
    return over_runs


def _check_equal_alone(blocks: Sequence[NextBlock]) -> None:
    """Compare a forward pass of all networks as one with those of each network alone.

    A network that draws random numbers, keeps something from one pass to the next, or whose
    layers are connected at random differs, or fails.
    """
    first = blocks[0]
    with torch.no_grad(), kept_generators():
        batches = [first.split.batch(block.rows[0]) for block in blocks]
        alone = [block.network(inputs) for block, (inputs, _) in zip(blocks, batches, strict=True)]
        weights = {
            name: torch.stack([block.weights[name] for block in blocks]) for name in first.weights
        }
        stacked = [torch.stack(tensors) for tensors in zip(*batches, strict=True)]
        try:
            _, outputs = _over_runs(first)(weights, *stacked)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise CannotStack(f"{type(error).__name__}: {error}".splitlines()[0]) from error
        if not torch.allclose(outputs, torch.stack(alone), rtol=1e-3, atol=1e-4, equal_nan=True):
            raise CannotStack("together the networks have other outputs than alone")
