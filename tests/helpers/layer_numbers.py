"""What must be counted in the networks of `layer_networks.py`, a row each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from tests.helpers.layer_networks import (
    Attention,
    Bare,
    CrossAttention,
    Grouped,
    Gru,
    Lazy,
    Lstm,
    OneDimension,
    ThreeDimensions,
    TiedEmbedding,
    Transposed,
    WeightNorm,
)


@dataclass(frozen=True)
class Numbers:
    """What must be counted in a network.

    Args:
        make: the network's class.
        also: `pruning.also`.
        weights: numbers of the prunable weights, by name.
        flops: FLOPs of their products.
        outside: numbers of the other parameters.
        refused: what the line says with which a run is refused; "" if it is trained.
    """

    make: Callable[[], nn.Module]
    also: list[str]
    weights: dict[str, int]
    flops: dict[str, int]
    outside: dict[str, int]
    refused: str = ""

    def network(self) -> nn.Module:
        """Make the network with all of its layers."""
        network = self.make()
        with torch.no_grad():
            network(torch.zeros(2, 1, 8, 8))
        return network

    @property
    def overrides(self) -> list[str]:
        return [
            f"model._target_={self.make.__module__}.{self.make.__name__}",
            "model.rates=[]",
            f"pruning.also=[{','.join(self.also)}]",
        ]


LAYER_NETWORKS = {
    "attention": Numbers(
        Attention,
        also=[],
        weights={
            "attention.in_proj_weight": 24 * 8,
            "attention.out_proj.weight": 8 * 8,
            "output.weight": 640,
        },
        flops={
            "attention.in_proj_weight": 2 * 8 * 24 * 8,  # for each of eight rows
            "attention.out_proj.weight": 2 * 8 * 8 * 8,
            "output.weight": 2 * 640,
        },
        outside={"biases": 24 + 8 + 10},
    ),
    "cross-attention": Numbers(
        CrossAttention,
        also=[],
        weights={
            "attention.q_proj_weight": 8 * 8,
            "attention.k_proj_weight": 8 * 4,
            "attention.v_proj_weight": 8 * 4,
            "attention.out_proj.weight": 8 * 8,
            "output.weight": 640,
        },
        flops={
            "attention.q_proj_weight": 2 * 8 * 8 * 8,
            "attention.k_proj_weight": 2 * 16 * 8 * 4,
            "attention.v_proj_weight": 2 * 16 * 8 * 4,
            "attention.out_proj.weight": 2 * 8 * 8 * 8,
            "output.weight": 2 * 640,
        },
        outside={"biases": 24 + 8 + 10},
    ),
    "LSTM": Numbers(
        Lstm,
        also=["lstm.weight_*"],
        weights={"lstm.weight_ih_l0": 24 * 8, "lstm.weight_hh_l0": 24 * 6, "output.weight": 60},
        flops={
            "lstm.weight_ih_l0": 2 * 8 * 24 * 8,  # at each of eight steps
            "lstm.weight_hh_l0": 2 * 8 * 24 * 6,
            "output.weight": 2 * 60,
        },
        outside={"biases": 24 + 24 + 10},
    ),
    "GRU": Numbers(
        Gru,
        also=["gru.weight_*"],
        weights={
            "gru.weight_ih_l0": 18 * 8,
            "gru.weight_hh_l0": 18 * 6,
            "gru.weight_ih_l0_reverse": 18 * 8,
            "gru.weight_hh_l0_reverse": 18 * 6,
            "output.weight": 120,
        },
        flops={
            "gru.weight_ih_l0": 2 * 8 * 18 * 8,
            "gru.weight_hh_l0": 2 * 8 * 18 * 6,
            "gru.weight_ih_l0_reverse": 2 * 8 * 18 * 8,
            "gru.weight_hh_l0_reverse": 2 * 8 * 18 * 6,
            "output.weight": 2 * 120,
        },
        outside={"biases": 2 * (18 + 18) + 10},
    ),
    "tied embedding": Numbers(
        TiedEmbedding,
        also=[],
        weights={"embedding.weight": 80, "fc.weight": 64},
        flops={"embedding.weight": 2 * 80, "fc.weight": 2 * 64},  # the look-up multiplies nothing
        outside={"biases": 8},
    ),
    "grouped convolution": Numbers(
        Grouped,
        also=[],
        weights={"conv1.weight": 4 * 1 * 9, "conv2.weight": 4 * 2 * 9, "output.weight": 40},
        flops={
            "conv1.weight": 2 * 64 * 36,  # at each of 8 x 8 places
            "conv2.weight": 2 * 64 * 72,
            "output.weight": 2 * 40,
        },
        outside={"biases": 4 + 4 + 10},
    ),
    "transposed convolution": Numbers(
        Transposed,
        also=[],
        weights={"conv.weight": 4 * 4, "up.weight": 4 * 2 * 4, "output.weight": 20},
        flops={
            "conv.weight": 2 * 16 * 16,
            "up.weight": 2 * 16 * 32,  # at each of 4 x 4 places of its input
            "output.weight": 2 * 20,
        },
        outside={"biases": 4 + 2 + 10},
    ),
    "1-d convolution": Numbers(
        OneDimension,
        also=[],
        weights={"conv.weight": 4 * 8 * 3, "output.weight": 40},
        flops={"conv.weight": 2 * 6 * 96, "output.weight": 2 * 40},
        outside={"biases": 4 + 10},
    ),
    "3-d convolution": Numbers(
        ThreeDimensions,
        also=[],
        weights={"conv.weight": 3 * 8, "output.weight": 30},
        flops={"conv.weight": 2 * (1 * 3 * 7) * 24, "output.weight": 2 * 30},
        outside={"biases": 3 + 10},
    ),
    "lazy layer": Numbers(
        Lazy,
        also=[],
        weights={"fc.weight": 384, "output.weight": 60},
        flops={"fc.weight": 2 * 384, "output.weight": 2 * 60},
        outside={"biases": 6 + 10},
    ),
    "weight norm": Numbers(
        WeightNorm,
        also=[],
        weights={},
        flops={},
        outside={},
        refused="fc.weight is computed from other parameters in each forward pass",
    ),
    "bare parameters": Numbers(
        Bare,
        also=["mix.weight", "heads"],
        weights={"heads": 36, "mix.weight": 384, "output.weight": 60},
        flops={"heads": 2 * 36, "mix.weight": 2 * 384, "output.weight": 2 * 60},
        outside={"biases": 6 + 10, "scale": 6},
    ),
}
TRAINED = [name for name, numbers in LAYER_NETWORKS.items() if not numbers.refused]
