"""Every module of torch.nn that has parameters: which are prunable, and which outside and named.

`pruning.also` can take in what is outside. Weights that are computed in each forward pass
(weight_norm, spectral_norm, parametrizations) are refused: `lottery/config/check_network.py`.
"""

import inspect
import re
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from lottery.masks import count_outside, prunable_weights

# How to make each module, and its parameters: prunable, and outside of the masks.
MODULES: dict[str, tuple[Callable[[], nn.Module], str, dict[str, int]]] = {
    "Linear": (lambda: nn.Linear(2, 3), "weight", {"biases": 3}),
    "Bilinear": (lambda: nn.Bilinear(2, 3, 4), "", {"weight": 24, "biases": 4}),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3), "weight", {"biases": 3}),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3), "weight", {"biases": 3}),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 3), "weight", {"biases": 3}),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 3), "weight", {"biases": 3}),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 3), "weight", {"biases": 3}),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 3, 3), "weight", {"biases": 3}),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        "in_proj_weight out_proj.weight",
        {"biases": 12 + 4 + 4 + 4},
    ),
    "MultiheadAttention of other sizes": (
        lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        "q_proj_weight k_proj_weight v_proj_weight out_proj.weight",
        {"biases": 12 + 4},
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8),
        "self_attn.in_proj_weight self_attn.out_proj.weight linear1.weight linear2.weight",
        {"biases": 12 + 4 + 8 + 4, "norm layers": 16},
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(4, 2, 8),
        "self_attn.in_proj_weight self_attn.out_proj.weight multihead_attn.in_proj_weight "
        "multihead_attn.out_proj.weight linear1.weight linear2.weight",
        {"biases": 2 * (12 + 4) + 8 + 4, "norm layers": 24},
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1),
        "layers.0.self_attn.in_proj_weight layers.0.self_attn.out_proj.weight "
        "layers.0.linear1.weight layers.0.linear2.weight",
        {"biases": 12 + 4 + 8 + 4, "norm layers": 16},
    ),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 1),
        "layers.0.self_attn.in_proj_weight layers.0.self_attn.out_proj.weight "
        "layers.0.multihead_attn.in_proj_weight layers.0.multihead_attn.out_proj.weight "
        "layers.0.linear1.weight layers.0.linear2.weight",
        {"biases": 2 * (12 + 4) + 8 + 4, "norm layers": 24},
    ),
    "Transformer": (
        lambda: nn.Transformer(4, 2, 1, 0, 8, batch_first=True),
        "encoder.layers.0.self_attn.in_proj_weight encoder.layers.0.self_attn.out_proj.weight "
        "encoder.layers.0.linear1.weight encoder.layers.0.linear2.weight",
        {"norm layers": 16 + 8 + 8, "biases": 12 + 4 + 8 + 4},
    ),
    "RNN": (
        lambda: nn.RNN(2, 3),
        "",
        {"weight_hh_l0": 9, "weight_ih_l0": 6, "biases": 6},
    ),
    "LSTM": (
        lambda: nn.LSTM(2, 3, proj_size=1),
        "",
        {"weight_ih_l0": 24, "biases": 24, "weight_hh_l0": 12, "weight_hr_l0": 3},
    ),
    "GRU": (
        lambda: nn.GRU(2, 3),
        "",
        {"weight_hh_l0": 27, "weight_ih_l0": 18, "biases": 18},
    ),
    "RNNCell": (lambda: nn.RNNCell(2, 3), "", {"weight_hh": 9, "weight_ih": 6, "biases": 6}),
    "LSTMCell": (lambda: nn.LSTMCell(2, 3), "", {"weight_hh": 36, "weight_ih": 24, "biases": 24}),
    "GRUCell": (lambda: nn.GRUCell(2, 3), "", {"weight_hh": 27, "weight_ih": 18, "biases": 18}),
    "RNNBase": (
        lambda: nn.RNNBase("GRU", 2, 3),
        "",
        {"weight_hh_l0": 27, "weight_ih_l0": 18, "biases": 18},
    ),
    "RNNCellBase": (
        lambda: nn.RNNCellBase(2, 3, bias=True, num_chunks=1),
        "",
        {"weight_hh": 9, "weight_ih": 6, "biases": 6},
    ),
    "Embedding": (lambda: nn.Embedding(5, 2), "", {"weight": 10}),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(5, 2), "", {"weight": 10}),
    "PReLU": (nn.PReLU, "", {"weight": 1}),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2]),
        "head.weight tail.0.0.weight tail.0.1.weight",
        {},
    ),
    "LinearCrossEntropyLoss": (lambda: nn.LinearCrossEntropyLoss(2, 3), "linear.weight", {}),
    **{
        name: (lambda name=name: getattr(nn, name)(4), "", {"norm layers": 8})
        for name in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "LayerNorm")
    },
    **{
        name: (lambda name=name: getattr(nn, name)(4, affine=True), "", {"norm layers": 8})
        for name in ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d")
    },
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), "", {"norm layers": 8}),
    "RMSNorm": (lambda: nn.RMSNorm(4), "", {"norm layers": 4}),
    "ParameterList": (lambda: nn.ParameterList([torch.ones(2, 3)]), "", {"0": 6}),
    "ParameterDict": (lambda: nn.ParameterDict({"a": torch.ones(2, 3)}), "", {"a": 6}),
}
# They have the parameters of the modules that they are given.
CONTAINERS = {"ModuleDict", "ModuleList", "Sequential", "Module", "DataParallel", "Container"}
MAKES_PARAMETERS = re.compile(r"\b(Parameter|Linear|MultiheadAttention|\w+Layer)\(")


def _all_of_torch() -> list[type[nn.Module]]:
    modules = [getattr(nn, name) for name in dir(nn)]
    return [m for m in modules if isinstance(m, type) and issubclass(m, nn.Module)]


def test_every_module_that_makes_parameters_is_in_the_table() -> None:
    for module in _all_of_torch():
        makers = [
            vars(base)["__init__"] for base in module.__mro__[:-2] if "__init__" in vars(base)
        ]
        makes = any(MAKES_PARAMETERS.search(inspect.getsource(maker)) for maker in makers)
        name = module.__name__
        if makes and name not in CONTAINERS and not issubclass(module, LazyModuleMixin):
            assert name in MODULES


def test_a_lazy_module_becomes_one_of_the_table() -> None:
    lazy = [module for module in _all_of_torch() if issubclass(module, LazyModuleMixin)]
    assert {module.cls_to_become.__name__ for module in lazy} <= MODULES.keys()
    network = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    network(torch.zeros(2, 4))
    assert list(prunable_weights(network)) == ["0.weight"]
    assert count_outside(network, ["0.weight"]) == {"norm layers": 6, "biases": 3}


@pytest.mark.parametrize("name", MODULES)
def test_a_modules_parameters_are_prunable_or_named(name: str) -> None:
    make, prunable, outside = MODULES[name]
    module = make()
    weights = prunable_weights(module)
    assert list(weights) == prunable.split()
    assert count_outside(module, weights) == outside
    covered = sum(weight.numel() for weight in weights.values()) + sum(outside.values())
    assert covered == sum(parameter.numel() for parameter in module.parameters())
