"""The VGGs (Simonyan & Zisserman 2015): those for CIFAR, and torchvision's VGG-16."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, max_pool2d

from lottery.models.arguments import check_dropout, check_images
from lottery.models.init import glorot_normal_, he_normal_

FILTERS = (64, 128, 256, 512, 512)  # of the five groups of convolutions
# convolutions in each group, by the number of layers in the paper's table 1 (A, B, D, E)
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
POOLED = 7  # height and width of the classifier's inputs


class VGG(nn.Module):
    """VGG-11, -13, -16 or -19 for CIFAR: BatchNorm, and one fully connected layer.

    Max-pooling between the groups of convolutions, a mean over the image at the end (Frankle &
    Carbin 2019, after Liu et al. 2019). Gaussian Glorot weights, BatchNorm at scale 1.

    Args:
        input_shape: (channels, height, width), at least 16 x 16.
        num_classes: number of outputs.
        depth: 11, 13, 16 or 19. The paper counts three fully connected layers; here is one.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, depth: int) -> None:
        super().__init__()
        if depth not in tuple(CONVOLUTIONS):
            raise ValueError(f"depth={depth}: 11, 13, 16 or 19")
        self.groups = CONVOLUTIONS[depth]
        check_images(input_shape, least=2 ** (len(self.groups) - 1))
        channels, number = input_shape[0], 0
        for filters, convolutions in zip(FILTERS, self.groups, strict=True):
            for _ in range(convolutions):
                number += 1
                convolution = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
                self.add_module(f"conv{number}", convolution)
                self.add_module(f"bn{number}", nn.BatchNorm2d(filters))
                channels = filters
        self.output = nn.Linear(channels, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden, number = inputs, 0
        for position, convolutions in enumerate(self.groups):
            if position:
                hidden = max_pool2d(hidden, 2)
            for _ in range(convolutions):
                number += 1
                hidden = self.get_submodule(f"conv{number}")(hidden)
                hidden = self.get_submodule(f"bn{number}")(hidden).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


class VGG19(VGG):
    """VGG-19 for CIFAR-10: 20,024,000 weights, 5,120 of them in the output layer.

    Args:
        input_shape: (channels, height, width), at least 16 x 16.
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__(input_shape, num_classes, depth=19)


class VGG16(nn.Module):
    """VGG-16 without BatchNorm, with torchvision's parameter names: its state dicts fit.

    `features.N` and `classifier.N`; 138,344,128 weights at 1,000 classes. torchvision's initial
    weights: He normal by fan-out for the convolutions, a standard deviation of 0.01 for the
    fully connected layers, zero biases.

    Args:
        input_shape: (channels, height, width), at least 32 x 32; features are averaged to 7 x 7.
        num_classes: number of outputs.
        dropout: share of the units dropped after each hidden fully connected layer.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, dropout: float) -> None:
        super().__init__()
        check_dropout(dropout)
        self.features = vgg_16_features(input_shape)
        self.classifier = nn.Sequential(
            nn.Linear(512 * POOLED**2, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        for module in self.classifier:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = average_to(self.features(inputs), POOLED)
        logits: Tensor = self.classifier(hidden.flatten(1))
        return logits


def vgg_16_features(input_shape: tuple[int, ...]) -> nn.Sequential:
    """Make VGG-16's convolutions and poolings with torchvision's numbers; He normal by fan-out.

    They map (batch, channels, height, width) to (batch, 512, height // 32, width // 32).
    """
    check_images(input_shape, least=2 ** len(FILTERS))
    layers = nn.Sequential()
    channels = input_shape[0]
    for filters, convolutions in zip(FILTERS, CONVOLUTIONS[16], strict=True):
        for _ in range(convolutions):
            convolution = nn.Conv2d(channels, filters, 3, padding=1)
            he_normal_(convolution)
            layers.extend([convolution, nn.ReLU()])
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return layers


def average_to(images: Tensor, size: int) -> Tensor:
    """Pool adaptively to size x size. torch's own kernel has no deterministic gradient."""
    rows, columns = (
        adaptive_avg_pool1d(torch.eye(length, dtype=images.dtype, device=images.device), size)
        for length in images.shape[2:]
    )
    return torch.einsum("nchw,hi,wj->ncij", images, rows, columns)
