"""ResNet-20 for CIFAR-10, which Frankle & Carbin 2019 call Resnet-18."""

from torch import Tensor, nn

from lottery.models.init import glorot_normal_

WIDTHS = (16, 32, 64)  # filters of the three stages
BLOCKS = 3  # per stage


class Block(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut around them (He et al. 2016).

    Args:
        inputs: number of input channels.
        outputs: number of output channels. If it differs, the shortcut is a 1x1 convolution.
        stride: stride of the first convolution and of the shortcut.
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


class ResNet20(nn.Module):
    """16 filters, 3 blocks of 16, 3 of 32, 3 of 64, mean over the image, classes; BatchNorm.

    He et al. 2016 for CIFAR-10, with 1x1 convolutions where the width changes. Frankle & Carbin
    2019 count its weights so: 270,896, of them 2,560 in the two 1x1 convolutions and 640 in the
    output layer. Gaussian Glorot weights as there, BatchNorm at scale 1.

    Args:
        input_shape: (channels, height, width).
        num_classes: number of outputs.
    """

    def __init__(self, input_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        if len(input_shape) != 3:
            raise ValueError(f"input_shape={input_shape}: (channels, height, width)")
        width = WIDTHS[0]
        self.conv = nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential()
        for filters in WIDTHS:
            for _ in range(BLOCKS):
                self.blocks.append(Block(width, filters, stride=1 if filters == width else 2))
                width = filters
        self.output = nn.Linear(width, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = self.blocks(self.bn(self.conv(inputs)).relu())
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits
