"""A decoder for token sequences, in the manner of GPT-2 (Radford et al. 2019)."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

from lottery.arguments import check_flag, check_whole
from lottery.models.arguments import check_depth, check_dropout, check_heads
from lottery.models.attention import attend

MLP_RATIO = 4  # hidden units of a block's MLP for each unit of the width
STD = 0.02  # of initial weights
BEFORE_SHORTCUT = ("out_proj.weight", "fc2.weight")  # the last layers before a shortcut is added


class SplitAttention(nn.Module):
    """Causal self-attention with one layer each for queries, keys, values and the result."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (batch, positions, width) to the same shape."""
        q, k, v = self.q_proj(hidden), self.k_proj(hidden), self.v_proj(hidden)
        share = self.dropout if self.training else 0.0
        mixed = attend(q, k, v, heads=self.heads, causal=True, dropout=share)
        result: Tensor = self.out_proj(mixed)
        return result


class Block(nn.Module):
    """Causal self-attention and an MLP, each behind a LayerNorm, with a shortcut around it."""

    def __init__(self, width: int, heads: int, attention: str, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm1 = nn.LayerNorm(width)
        self.attention: nn.Module
        if attention == "split":
            self.attention = SplitAttention(width, heads, dropout)
        else:
            self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (batch, positions, width) to the same shape."""
        hidden = hidden + self._drop(self._attend(self.norm1(hidden)))
        return hidden + self._drop(self.fc2(gelu(self.fc1(self.norm2(hidden)))))

    def _attend(self, hidden: Tensor) -> Tensor:
        if not isinstance(self.attention, nn.MultiheadAttention):
            mixed: Tensor = self.attention(hidden)
            return mixed
        later = nn.Transformer.generate_square_subsequent_mask(
            hidden.shape[1], device=hidden.device, dtype=hidden.dtype
        )
        mixed, _ = self.attention(
            hidden, hidden, hidden, attn_mask=later, is_causal=True, need_weights=False
        )
        return mixed

    def _drop(self, hidden: Tensor) -> Tensor:
        return dropout(hidden, self.dropout, self.training)


class Transformer(nn.Module):
    """Embeddings of tokens and positions, blocks, and classes for each position.

    A network that predicts the next token has a class for each token. With tied embeddings, 12
    blocks of 12 heads and width 768 this is GPT-2 small, with 124,439,808 parameters. GPT-2's
    initial weights: a normal of std 0.02, divided by sqrt(2 * depth) in the last layer before a
    shortcut is added, and zero biases.

    Args:
        input_shape: (positions,), the longest sequence.
        num_classes: number of outputs.
        num_tokens: number of different tokens. A dataset without tokens has None, and is refused.
        depth: number of blocks.
        heads: of each block's attention, a divisor of `width`.
        width: number of units of a position.
        attention: "split" has a layer for each of queries, keys, values and the result;
            "multihead" is `nn.MultiheadAttention`, with the first three in one weight.
        tied: True makes the tokens' embedding the weight of `output` (Press & Wolf 2017), where
            the classes are the tokens.
        last_only: True gives the classes of the last position alone, of a whole sequence.
        dropout: share dropped of the embeddings, attention weights and blocks' results.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        depth: int,
        heads: int,
        width: int,
        attention: str,
        tied: bool,
        last_only: bool,
        dropout: float,
        num_tokens: int | None = None,
    ) -> None:
        super().__init__()
        if num_tokens is None or len(input_shape) != 1:
            raise ValueError(f"input_shape={input_shape}: (positions,), of a dataset of tokens")
        check_depth(depth, at_least=1)
        for name, value in {"heads": heads, "width": width}.items():
            check_whole(name, value, at_least=1)
        check_heads(width, heads)
        check_dropout(dropout)
        if attention not in ("split", "multihead"):
            raise ValueError(f"attention={attention}: split or multihead")
        check_flag("tied", tied)
        check_flag("last_only", last_only)
        if tied and num_tokens != num_classes:
            raise ValueError(f"tied=true: false for {num_tokens} tokens and {num_classes} classes")
        self.dropout = dropout
        self.last_only = last_only
        self.embedding = nn.Embedding(num_tokens, width)
        self.positions = nn.Embedding(input_shape[0], width)
        self.blocks = nn.Sequential(
            *(Block(width, heads, attention, dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, num_classes, bias=False)
        if tied:
            self.output.weight = self.embedding.weight
        self._draw(depth)

    def _draw(self, depth: int) -> None:
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                last = name.endswith(BEFORE_SHORTCUT)
                nn.init.normal_(parameter, std=STD / sqrt(2 * depth) if last else STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits of tokens (batch, positions).

        Their shape is (batch, positions, num_classes), or (batch, num_classes) with `last_only`.
        """
        numbers = torch.arange(inputs.shape[1], device=inputs.device)
        hidden = self.embedding(inputs) + self.positions(numbers)
        hidden = self.blocks(dropout(hidden, self.dropout, self.training))
        if self.last_only:
            hidden = hidden[:, -1]
        logits: Tensor = self.output(self.norm(hidden))
        return logits
