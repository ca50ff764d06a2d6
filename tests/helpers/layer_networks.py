"""Small networks for digits (1, 8, 8), each with layers of its own kind."""

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
