"""BatchNorm over the parts of a batch is BatchNorm over the batch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lottery.config import ProcessRank
from lottery.distributed import from_main, gather, num_ranks, share, sum_over_ranks
from lottery.models.synced_batchnorm import SyncedBatchNorm, with_synced_batchnorm
from tests.helpers.ranks import on_ranks

BATCH = 7  # which neither 2 nor 3 processes share evenly


def _layer(kind: str) -> nn.Module:
    layers = {
        "momentum": nn.BatchNorm2d(4, momentum=0.3),
        "average": nn.BatchNorm2d(4, momentum=None),
        "plain": nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        "flat": nn.BatchNorm1d(4, bias=False),
    }
    layer = layers[kind].double()
    if layer.affine:
        nn.init.uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    return layer


def _passes(layer: nn.Module, kind: str) -> dict[str, Any]:
    """Two passes over this process's parts of batches; what is added up is of all processes."""
    found: dict[str, Any] = {"outputs": [], "gradients": []}
    for _ in range(2):
        shape = (BATCH, 4) if kind == "flat" else (BATCH, 4, 3, 2)
        # a mean far from 0 shows lost digits
        inputs, factors = (torch.randn(shape, dtype=torch.double) + add for add in (1000, 0))
        ours = share(inputs).requires_grad_()
        outputs = layer(ours)
        (outputs * share(factors)).square().sum().backward()
        found["outputs"].append(outputs.tolist())
        assert ours.grad is not None
        found["gradients"].append(ours.grad.tolist())
    found["buffers"] = [buffer.tolist() for buffer in layer.buffers()]
    found["parameters"] = [sum_over_ranks(_gradient(p)).tolist() for p in layer.parameters()]
    found["evaluated"] = layer.eval()(inputs[:2]).tolist()
    return found


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _on_a_rank(process: ProcessRank, kind: str) -> dict[str, Any]:
    torch.manual_seed(0)
    return _passes(with_synced_batchnorm(nn.Sequential(_layer(kind))), kind)


@pytest.mark.parametrize("kind", ["momentum", "average", "plain", "flat"])
def test_parts_of_a_batch_are_normalised_as_the_whole(kind: str) -> None:
    torch.manual_seed(0)
    whole = _passes(_layer(kind), kind)
    for number in (2, 3) if kind == "momentum" else (2,):
        found = on_ranks(number, _on_a_rank, kind)
        for name in ("outputs", "gradients"):
            for step in range(2):
                assert _far([part[name][step] for part in found], whole[name][step]) < 1e-10, name
        for part in found:
            for name in ("buffers", "parameters", "evaluated"):
                assert _far(part[name], whole[name]) < 1e-10, name


def _far(found: Any, expected: Any) -> float:
    pairs = zip(_numbers(found), _numbers(expected), strict=True)
    return max((abs(one - other) / max(1, abs(other)) for one, other in pairs), default=0)


def _numbers(nested: Any) -> list[float]:
    if not isinstance(nested, list):
        return [nested]
    return [number for entry in nested for number in _numbers(entry)]


def _alone(process: ProcessRank) -> Any:
    """Rank 0 runs the network for all, as for a criterion: nobody else takes part."""
    layer = SyncedBatchNorm.of(nn.BatchNorm1d(2))
    inside = from_main(lambda: (num_ranks(), layer(torch.tensor([[1.0, 2], [3, 6]])).tolist()))
    return inside, num_ranks(), gather(process.rank)


def test_rank_0_is_alone_while_the_others_wait_for_it() -> None:
    found = on_ranks(2, _alone)
    assert found[0] == found[1]
    (inside, outputs), outside, ranks = found[0]
    assert (inside, outside, ranks) == (1, 2, [0, 1])
    assert _far(outputs, [[-1, -1], [1, 1]]) < 1e-4


def _in_bfloat16(process: ProcessRank) -> Any:
    layer = SyncedBatchNorm.of(nn.BatchNorm1d(1))
    inputs = share(torch.tensor([[1.0], [3], [5], [7]])).bfloat16().requires_grad_()
    mixed = layer(inputs)
    mixed.sum().backward()
    assert inputs.grad is not None
    return [str(t.dtype) for t in (mixed, inputs.grad, layer.running_mean)], mixed.tolist()


def test_the_type_of_the_inputs_stays() -> None:
    (types, first), (_, second) = on_ranks(2, _in_bfloat16)
    assert types == ["torch.bfloat16", "torch.bfloat16", "torch.float32"]
    assert _far([*first, *second], [[-1.34], [-0.45], [0.45], [1.34]]) < 0.01
