"""ResNet-18, -34 and -50 for ImageNet (He et al. 2016), under torchvision's parameter names."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from lottery.models.arguments import check_images
from lottery.models.init import he_normal_

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # of layer1 to layer4, by depth
FILTERS = (64, 128, 256, 512)
EXPANSION = 4  # outputs of a bottleneck block for each of its filters

Convolution = tuple[int, int, int]  # filters, kernel size, stride


class Block(nn.Module):
    """Convolutions with BatchNorm and ReLU, and a shortcut around them.

    Where stride or channels differ, the shortcut is a 1x1 convolution with BatchNorm.
    """

    def __init__(self, inputs: int, convolutions: Sequence[Convolution]) -> None:
        super().__init__()
        self.num_convolutions = len(convolutions)
        channels, reduction = inputs, 1
        for number, (filters, size, stride) in enumerate(convolutions, 1):
            convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"bn{number}", nn.BatchNorm2d(filters))
            channels, reduction = filters, reduction * stride
        self.downsample: nn.Sequential | None = None
        if reduction > 1 or inputs != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, reduction, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, ...)."""
        hidden = inputs
        for number in range(1, self.num_convolutions + 1):
            hidden = hidden if number == 1 else hidden.relu()
            hidden = self.get_submodule(f"conv{number}")(hidden)
            hidden = self.get_submodule(f"bn{number}")(hidden)
        around = inputs if self.downsample is None else self.downsample(inputs)
        total: Tensor = (hidden + around).relu()
        return total


class ImageNetResNet(nn.Module):
    """A convolution, max-pooling, four stages of blocks, the mean over the image, classes.

    State dicts of torchvision's networks fit, and so the last layer is called `fc`. The stride of
    a bottleneck block is in its 3x3 convolution (torchvision's "v1.5"). torchvision's initial
    weights: He normal by fan-out for convolutions, torch's own for `fc`, BatchNorm at scale 1.

    Args:
        input_shape: (channels, height, width).
        num_classes: number of outputs.
        depth: 18, 34 or 50.
        stem: "imagenet" begins with a 7x7 convolution of stride 2 and max-pooling; "cifar" with
            a 3x3 convolution of stride 1 alone, for images below 64 x 64.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, depth: int, stem: str
    ) -> None:
        super().__init__()
        check_images(input_shape)
        if depth not in tuple(BLOCKS):  # a list has no hash
            raise ValueError(f"depth={depth}: 18, 34 or 50")
        if stem not in ("imagenet", "cifar"):
            raise ValueError(f"stem={stem}: imagenet or cifar")
        self.pools = stem == "imagenet"
        size, stride = (7, 2) if self.pools else (3, 1)
        channels = FILTERS[0]
        self.conv1 = nn.Conv2d(
            input_shape[0], channels, size, stride, padding=size // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        for stage, (filters, blocks) in enumerate(zip(FILTERS, BLOCKS[depth], strict=True)):
            layer = nn.Sequential()
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                convolutions = _convolutions(filters, stride, bottleneck=depth >= 50)
                layer.append(Block(channels, convolutions))
                channels = convolutions[-1][0]
            self.add_module(f"layer{stage + 1}", layer)
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = self.bn1(self.conv1(inputs)).relu()
        if self.pools:
            hidden = max_pool2d(hidden, 3, stride=2, padding=1)
        for stage in range(len(FILTERS)):
            hidden = self.get_submodule(f"layer{stage + 1}")(hidden)
        logits: Tensor = self.fc(hidden.mean((2, 3)))
        return logits


def _convolutions(filters: int, stride: int, *, bottleneck: bool) -> list[Convolution]:
    if bottleneck:
        return [(filters, 1, 1), (filters, 3, stride), (EXPANSION * filters, 1, 1)]
    return [(filters, 3, stride), (filters, 3, 1)]
