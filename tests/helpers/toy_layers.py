"""A network with few layers, whose features one can compute by hand."""

import torch
from torch import Tensor, nn


class Toy(nn.Module):
    """A convolution that doubles, one that negates, and a sum of pixels; not all is used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 1)
        self.conv2 = nn.Conv2d(2, 1, 1, bias=False)
        self.fc1 = nn.Linear(4, 3)
        self.output = nn.Linear(3, 2)
        self.calls: list[str] = []
        with torch.no_grad():
            self.conv1.weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
            self.conv1.bias.copy_(torch.tensor([0.0, 3.0]))  # type: ignore[union-attr]
            self.conv2.weight.fill_(1.0)
            self.fc1.weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4, [0.0] * 4]))
            self.fc1.bias.copy_(torch.tensor([0.5, 0.0, 7.0]))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.conv1(inputs).relu()
        hidden += 0  # in place: features that were taken must not change
        hidden = self.conv2(hidden).tanh()
        hidden *= 0
        hidden = nn.functional.relu(self.fc1(inputs.flatten(1)), inplace=True)
        hidden *= 2
        self.calls.append("output")
        logits: Tensor = self.output(hidden)
        return logits
