"""Networks that take tokens, as a user would write them."""

import torch
from torch import Tensor, nn


class TokenMLP(nn.Module):
    """Embeds each token, and two layers over all of them; gives one logit per class."""

    def __init__(
        self, input_shape: tuple[int, ...], num_classes: int, num_tokens: int, width: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, width)
        self.hidden = nn.Linear(width * torch.Size(input_shape).numel(), width)
        self.output = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden: Tensor = self.hidden(self.embedding(inputs).flatten(1)).relu()
        logits: Tensor = self.output(hidden)
        return logits


class ShortEmbedding(TokenMLP):
    """Has no row for the last token."""

    def __init__(self, input_shape: tuple[int, ...], num_classes: int, num_tokens: int) -> None:
        super().__init__(input_shape, num_classes, num_tokens - 1, width=8)


TOKEN_MLP = (
    "model._target_=tests.helpers.token_networks.TokenMLP",
    "+model.width=32",
    "model.rates=[]",
)
