"""Keras' names for the layers of VGG-16, which have torchvision's here."""

from torch import nn

from lottery.models.vgg import VGG16, VGG_16
from lottery.models.vgg_head import VGG16Base

CLASSIFIER = {"fc1": "classifier.0", "fc2": "classifier.3", "predictions": "classifier.6"}


def keras_names(network: nn.Module) -> dict[str, str]:
    """Return the layers' names by Keras' names; nothing for a network other than VGG-16.

    Example:
        >>> keras_names(VGG16Base((3, 32, 32)))["block3_conv3"]
        'features.14'
    """
    if not isinstance(network, VGG16 | VGG16Base):
        return {}
    names, index = {}, 0
    for block, group in enumerate(VGG_16, 1):
        for number in range(1, len(group) + 1):
            names[f"block{block}_conv{number}"] = f"features.{index}"
            index += 2  # a ReLU follows
        index += 1  # a pooling follows the block
    return names | (CLASSIFIER if isinstance(network, VGG16) else {})
