"""A small classifier over the features of VGG-16's frozen convolutions."""

from math import prod

from torch import Tensor, nn

from lottery.arguments import check_whole
from lottery.models.init import glorot_normal_
from lottery.models.vgg import vgg_16_features

FC1 = 256


class VGG16Base(nn.Module):
    """VGG-16's convolutions and poolings with torchvision's names, `features.N`, flattened.

    Args:
        input_shape: (channels, height, width), at least 32 x 32.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.features = vgg_16_features(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, 512 * (height // 32) * (width // 32)) of images."""
        features: Tensor = self.features(inputs)
        return features.flatten(1)


class VGG16Head(nn.Module):
    """256-fc2-classes with ReLU over the features of a frozen VGG-16.

    Images of 128 x 128 have 8,192 features, and fc1 then 2,097,152 weights. Gaussian Glorot
    weights (Keras' are uniform Glorot), zero biases.

    Args:
        input_shape: shape of one example's features, (number,).
        num_classes: number of outputs.
        fc2: number of units of the second layer.
    """

    frozen_base = VGG16Base  # makes the features; it is run once and not trained

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, fc2: int) -> None:
        super().__init__()
        check_whole("fc2", fc2, at_least=1)
        self.fc1 = nn.Linear(prod(input_shape), FC1)
        self.fc2 = nn.Linear(FC1, fc2)
        self.output = nn.Linear(fc2, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of features (batch, number)."""
        hidden = self.fc1(inputs.flatten(1)).relu()
        hidden = self.fc2(hidden).relu()
        logits: Tensor = self.output(hidden)
        return logits
