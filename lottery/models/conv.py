"""Conv-2, Conv-4 and Conv-6: small networks like VGG."""

from torch import Tensor, nn
from torch.nn.functional import dropout, max_pool2d

from lottery.models.arguments import check_dropout, check_images
from lottery.models.init import glorot_normal_

WIDTHS = (64, 128, 256)  # filters of the first, second and third pair of convolutions


class ConvN(nn.Module):
    """Pairs of 3x3 convolutions, each pair followed by max-pooling; then 256-256-classes.

    Frankle & Carbin 2019; Conv-2, -4 and -6 have 4,300,992, 2,425,024 and 2,261,184 weights on
    CIFAR-10 (the paper's 1.7 million of Conv-6 does not follow from its own description).
    Gaussian Glorot weights, zero biases.

    Args:
        input_shape: (channels, height, width), large enough to be halved once per pair.
        num_classes: number of outputs.
        convolutions: 2, 4 or 6.
        dropout: share of the units dropped after each hidden fully connected layer. The paper
            uses 0.5 in a variant and does not say after which layers; this is our choice.
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, convolutions: int, dropout: float
    ) -> None:
        super().__init__()
        if convolutions not in (2, 4, 6):
            raise ValueError(f"convolutions={convolutions}: 2, 4 or 6")
        check_dropout(dropout)
        pairs = convolutions // 2
        check_images(input_shape, least=2**pairs)
        self.pairs = pairs
        self.dropout = dropout
        channels, height, width = input_shape
        for pair, filters in enumerate(WIDTHS[:pairs]):
            self.add_module(f"conv{2 * pair + 1}", nn.Conv2d(channels, filters, 3, padding=1))
            self.add_module(f"conv{2 * pair + 2}", nn.Conv2d(filters, filters, 3, padding=1))
            channels, height, width = filters, height // 2, width // 2
        self.fc1 = nn.Linear(channels * height * width, 256)
        self.fc2 = nn.Linear(256, 256)
        self.output = nn.Linear(256, num_classes)
        glorot_normal_(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        hidden = inputs
        for pair in range(self.pairs):
            hidden = self.get_submodule(f"conv{2 * pair + 1}")(hidden).relu()
            hidden = self.get_submodule(f"conv{2 * pair + 2}")(hidden).relu()
            hidden = max_pool2d(hidden, 2)
        hidden = hidden.flatten(1)
        for layer in (self.fc1, self.fc2):
            hidden = dropout(layer(hidden).relu(), self.dropout, self.training)
        logits: Tensor = self.output(hidden)
        return logits
