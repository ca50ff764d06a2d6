"""VGG-16's convolutions as a frozen base, and a small classifier over their features."""

from math import prod

from torch import Tensor, nn

from lottery.arguments import check_whole
from lottery.models.init import glorot_normal_
from lottery.models.vgg import CONVOLUTIONS, VGG16, vgg_16_features

FC1 = 256
KERAS_CLASSIFIER = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}


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


def keras_names(network: nn.Module) -> dict[str, str]:
    """Return the layers' names by Keras' names; nothing for a network other than VGG-16.

    Example:
        >>> keras_names(VGG16Base((3, 32, 32)))["block3_conv3"]
        'features.14'
    """
    if not isinstance(network, VGG16 | VGG16Base):
        return {}
    names, index = {}, 0
    for block, convolutions in enumerate(CONVOLUTIONS[16], 1):
        for number in range(1, convolutions + 1):
            names[f"block{block}_conv{number}"] = f"features.{index}"
            index += 2  # a ReLU follows
        index += 1  # a pooling follows the block
    return names | (KERAS_CLASSIFIER if isinstance(network, VGG16) else {})
