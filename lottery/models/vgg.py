"""The VGGs (Simonyan & Zisserman 2015): VGG-19 for CIFAR-10, and torchvision's VGG-16."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, max_pool2d

from lottery.models.init import glorot_normal_

VGG_19 = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
VGG_16 = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
POOLED = 7  # height and width of the classifier's inputs


class VGG19(nn.Module):
    """VGG-19 for CIFAR-10 with BatchNorm: 2x64, 2x128, 4x256, 4x512, 4x512 filters, classes.

    Max-pooling between the groups, a mean over the image at the end (Frankle & Carbin 2019, after
    Liu et al. 2019); 20,024,000 weights, 5,120 of them in the output layer. Gaussian Glorot
    weights, BatchNorm at scale 1.

    Args:
        input_shape: (channels, height, width), at least 16 x 16.
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        _check_image(input_shape, least=2 ** (len(VGG_19) - 1))
        channels, number = input_shape[0], 0
        for group in VGG_19:
            for filters in group:
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
        for position, group in enumerate(VGG_19):
            if position:
                hidden = max_pool2d(hidden, 2)
            for _ in group:
                number += 1
                hidden = self.get_submodule(f"conv{number}")(hidden)
                hidden = self.get_submodule(f"bn{number}")(hidden).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


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
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: a number >= 0 and below 1")
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

    Args:
        input_shape: (channels, height, width), at least 32 x 32.

    Returns:
        A network from (batch, channels, height, width) to (batch, 512, height // 32, width // 32).
    """
    _check_image(input_shape, least=2 ** len(VGG_16))
    layers: list[nn.Module] = []
    channels = input_shape[0]
    for group in VGG_16:
        layers += _convolutions(channels, group)
        layers.append(nn.MaxPool2d(2))
        channels = group[-1]
    return nn.Sequential(*layers)


def _convolutions(channels: int, group: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for filters in group:
        convolution = nn.Conv2d(channels, filters, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        assert convolution.bias is not None
        nn.init.zeros_(convolution.bias)
        layers += [convolution, nn.ReLU()]
        channels = filters
    return layers


def average_to(images: Tensor, size: int) -> Tensor:
    """Pool adaptively to size x size. torch's own kernel has no deterministic gradient."""
    rows, columns = (
        adaptive_avg_pool1d(torch.eye(length, dtype=images.dtype, device=images.device), size)
        for length in images.shape[2:]
    )
    return torch.einsum("nchw,hi,wj->ncij", images, rows, columns)


def _check_image(input_shape: tuple[int, ...], least: int) -> None:
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise ValueError(
            f"input_shape={input_shape}: (channels, {least} or more, {least} or more)"
        )
