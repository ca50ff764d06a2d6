"""LeNet-300-100, the fully connected network of the lottery-ticket papers."""

from math import prod

from torch import Tensor, nn

from lottery.models.init import glorot_normal_


class LeNet300100(nn.Module):
    """Fully connected 300-100-classes with ReLU (LeCun et al. 1998); 266,200 weights on MNIST.

    Args:
        input_shape: shape of one example, such as (1, 28, 28); flattened.
        num_classes: outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(prod(input_shape), 300)
        self.fc2 = nn.Linear(300, 100)
        self.output = nn.Linear(100, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (batch, num_classes) of inputs (batch, *input_shape)."""
        hidden = self.fc1(inputs.flatten(1)).relu()
        hidden = self.fc2(hidden).relu()
        logits: Tensor = self.output(hidden)
        return logits
