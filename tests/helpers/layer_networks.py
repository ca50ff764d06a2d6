"""Small networks for digits (1, 8, 8), each with layers of its own kind, and their numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.output = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        rows = inputs.flatten(1, 2)
        mixed, _ = self.attention(rows, rows, rows)
        logits: Tensor = self.output(mixed.flatten(1))
        return logits


class CrossAttention(nn.Module):
    """Eight queries of width 8 look at sixteen keys and values of width 4."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, kdim=4, vdim=4)
        self.output = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        rows, pieces = inputs.flatten(1, 2), inputs.reshape(-1, 16, 4)
        mixed, _ = self.attention(rows, pieces, pieces, need_weights=False)
        logits: Tensor = self.output(mixed.flatten(1))
        return logits


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.output = nn.Linear(6, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, _ = self.lstm(inputs.flatten(1, 2))
        logits: Tensor = self.output(hidden[:, -1])
        return logits


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6, batch_first=True, bidirectional=True)
        self.output = nn.Linear(12, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden, _ = self.gru(inputs.flatten(1, 2))
        logits: Tensor = self.output(hidden.mean(1))
        return logits


class TiedEmbedding(nn.Module):
    """Looks up a level of grey for each pixel, and compares their mean with all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.fc = nn.Linear(8, 8)
        self.output = nn.Linear(8, 10, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, inputs: Tensor) -> Tensor:
        levels = (9 * inputs.flatten(1)).long().clamp(0, 9)
        logits: Tensor = self.output(self.fc(self.embedding(levels).mean(1)).relu())
        return logits


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.output = nn.Linear(4, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.conv2(self.conv1(inputs).relu()).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


class Transposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.output = nn.Linear(2, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.up(self.conv(inputs).relu()).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


class OneDimension(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 4, 3)
        self.output = nn.Linear(4, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.output(self.conv(inputs.flatten(1, 2)).relu().mean(2))
        return logits


class ThreeDimensions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 3, 2)
        self.output = nn.Linear(3, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.conv(inputs.reshape(-1, 1, 2, 4, 8)).relu()
        logits: Tensor = self.output(hidden.mean((2, 3, 4)))
        return logits


class Lazy(nn.Module):
    """A layer whose inputs are counted in the first forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(6)
        self.output = nn.Linear(6, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.output(self.fc(inputs.flatten(1)).relu())
        return logits


class WeightNorm(Lazy):
    """A weight that each forward pass computes from two others."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = parametrizations.weight_norm(nn.Linear(64, 6))


class Conv1D(nn.Module):
    """A fully connected layer with its weight the other way round, as in other libraries."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(num_in, num_out))
        self.bias = nn.Parameter(torch.zeros(num_out))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.addmm(self.bias, inputs, self.weight)


class Bare(nn.Module):
    """A library's own layer, a parameter that multiplies, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = Conv1D(64, 6)
        self.heads = nn.Parameter(0.1 * torch.randn(2, 6, 3))
        self.scale = nn.Parameter(torch.ones(6))
        self.output = nn.Linear(6, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.scale * self.mix(inputs.flatten(1)).relu()
        heads = torch.einsum("bi,hio->bho", hidden, self.heads)
        logits: Tensor = self.output(heads.flatten(1))
        return logits


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
