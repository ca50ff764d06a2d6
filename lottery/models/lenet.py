"""The LeNets: fully connected LeNet-300-100 and convolutional LeNet-5."""

from math import prod

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from lottery.models.arguments import check_images
from lottery.models.init import glorot_normal_


class LeNet300100(nn.Module):
    """Fully connected 300-100-classes with ReLU (LeCun et al. 1998); 266,200 weights on MNIST.

    Args:
        input_shape: shape of one example, such as (1, 28, 28); flattened.
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(prod(input_shape), 300)
        self.fc2 = nn.Linear(300, 100)
        self.output = nn.Linear(100, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of inputs (batch, *input_shape)."""
        hidden = self.fc1(inputs.flatten(1)).relu()
        hidden = self.fc2(hidden).relu()
        logits: Tensor = self.output(hidden)
        return logits


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling: 6 and 16 filters, 120-84-classes.

    5x5 filters, the first convolution padded by 2; 61,470 weights on MNIST.

    Args:
        input_shape: (channels, height, width), at least 12 x 12.
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        check_images(input_shape, least=12)
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        pooled = ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        self.fc1 = nn.Linear(16 * pooled, 120)
        self.fc2 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = max_pool2d(self.conv1(inputs).relu(), 2)
        hidden = max_pool2d(self.conv2(hidden).relu(), 2)
        hidden = self.fc1(hidden.flatten(1)).relu()
        hidden = self.fc2(hidden).relu()
        logits: Tensor = self.output(hidden)
        return logits
