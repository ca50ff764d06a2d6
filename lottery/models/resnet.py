"""The ResNets for CIFAR: ResNet-20, -32, -44, -56, -110, any number of times as wide."""

from torch import Tensor, nn

from lottery.arguments import check_whole
from lottery.models.arguments import check_depth, check_images
from lottery.models.init import glorot_normal_

FILTERS = (16, 32, 64)  # of the three stages, at width 1


class Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut around them (He et al. 2016).

    Where the number of channels differs, the shortcut is a 1x1 convolution with BatchNorm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        self.shortcut_bn: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut_bn = nn.BatchNorm2d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, ...)."""
        hidden: Tensor = self.bn1(self.conv1(inputs)).relu()
        hidden = self.bn2(self.conv2(hidden))
        return hidden.add(self.shortcut_bn(self.shortcut(inputs))).relu()


class ResNet(nn.Module):
    """A convolution, three stages of blocks, the mean over the image, classes; BatchNorm.

    He et al. 2016 for CIFAR-10: a stage has (depth - 2) / 6 blocks. A 1x1 convolution stands where
    the number of filters changes (their option B), as Frankle & Carbin 2019 have it. Gaussian
    Glorot weights as there, BatchNorm at scale 1.

    Args:
        input_shape: (channels, height, width).
        num_classes: number of outputs.
        depth: number of layers, 6n + 2; 20, 32, 44, 56 and 110 in the paper.
        width: factor of the paper's numbers of filters, 16, 32 and 64.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, depth: int, width: int
    ) -> None:
        super().__init__()
        check_images(input_shape)
        check_depth(depth, at_least=8)
        check_whole("width", width, at_least=1)
        blocks, rest = divmod(depth - 2, 6)
        if rest:
            raise ValueError(f"depth={depth}: 6n + 2, such as 20, 32, 44, 56, 110")
        channels = FILTERS[0] * width
        self.conv = nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential()
        for stage in FILTERS:
            filters = stage * width
            for _ in range(blocks):
                stride = 1 if filters == channels else 2
                self.blocks.append(Block(channels, filters, stride))
                channels = filters
        self.output = nn.Linear(channels, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = self.blocks(self.bn(self.conv(inputs)).relu())
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits


class ResNet20(ResNet):
    """ResNet-20 of width 1, which Frankle & Carbin 2019 call Resnet-18.

    They count 270,896 weights on CIFAR-10, of them 2,560 in the two 1x1 convolutions and 640 in
    the output layer.

    Args:
        input_shape: (channels, height, width).
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__(input_shape, num_classes, depth=20, width=1)
