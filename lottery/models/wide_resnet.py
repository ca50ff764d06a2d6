"""Wide residual networks, WRN-depth-width (Zagoruyko & Komodakis 2016)."""

from torch import Tensor, nn
from torch.nn.functional import dropout

from lottery.arguments import check_whole
from lottery.models.arguments import check_depth, check_dropout, check_images
from lottery.models.init import he_normal_

FILTERS = (16, 32, 64)  # of the three groups, at width 1


class WideBlock(nn.Module):
    """BatchNorm, ReLU and a 3x3 convolution, twice, and a shortcut around them.

    Where the number of filters changes, the shortcut is a 1x1 convolution, which takes what the
    first BatchNorm and ReLU give, as in the authors' code.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Conv2d | None = None
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, ...)."""
        active: Tensor = self.bn1(inputs).relu()
        hidden = self.bn2(self.conv1(active)).relu()
        hidden = self.conv2(dropout(hidden, self.dropout, self.training))
        around = inputs if self.shortcut is None else self.shortcut(active)
        total: Tensor = hidden + around
        return total


class WideResNet(nn.Module):
    """WRN-depth-width: a convolution, three groups of blocks, the mean over the image, classes.

    WRN-28-10 has 36.5 million parameters on CIFAR-10. Initial weights as in the authors' code: He
    normal by fan-out, the output layer as torch has it with a zero bias.

    Args:
        input_shape: (channels, height, width).
        num_classes: number of outputs.
        depth: layers, 6n + 4: 16, 22, 28 and 40 in the paper.
        width: the paper's k; groups have 16, 32 and 64 filters times k.
        dropout: share of the units dropped in each block; the paper's variant has 0.3.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        depth: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        check_images(input_shape)
        check_depth(depth, at_least=10)
        check_whole("width", width, at_least=1)
        check_dropout(dropout)
        blocks, rest = divmod(depth - 4, 6)
        if rest:
            raise ValueError(f"depth={depth}: 6n + 4, such as 16, 22, 28, 40")
        channels = FILTERS[0]
        self.conv = nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for group, filters in enumerate(FILTERS):
            for block in range(blocks):
                stride = 2 if group and not block else 1
                self.blocks.append(WideBlock(channels, filters * width, stride, dropout))
                channels = filters * width
        self.bn = nn.BatchNorm2d(channels)
        self.output = nn.Linear(channels, num_classes)
        he_normal_(self)
        nn.init.zeros_(self.output.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = self.bn(self.blocks(self.conv(inputs))).relu()
        logits: Tensor = self.output(hidden.mean((2, 3)))
        return logits
