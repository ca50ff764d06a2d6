"""A decoder for token sequences, in the manner of GPT-2 (Radford et al. 2019)."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

from lottery.models.attention import attend
from lottery.models.checks import check_dropout, check_heads, check_whole

MLP_RATIO = 4  # hidden units of a block's MLP for each unit of the width
STD = 0.02  # of initial weights
INTO_THE_SUM = ("out_proj.weight", "fc2.weight")  # the last layers before a connection's sum


class SplitAttention(nn.Module):
    """Causal self-attention with a layer of its own for queries, keys, values and the result.

    Args:
        width: units of a position.
        heads: a divisor of width.
        dropout: share of the attention weights dropped in training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, positions, width) of the same shape."""
        mixed = attend(
            self.q_proj(hidden),
            self.k_proj(hidden),
            self.v_proj(hidden),
            heads=self.heads,
            causal=True,
            dropout=self.dropout if self.training else 0.0,
        )
        result: Tensor = self.out_proj(mixed)
        return result


class Block(nn.Module):
    """Causal self-attention and an MLP, each behind a LayerNorm, with a connection around it.

    Args:
        width: units of a position.
        heads: of the attention.
        attention: "split" or "multihead", see `Transformer`.
        dropout: share of the attention weights and of both results dropped in training.
    """

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
        """(batch, positions, width) of the same shape."""
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
    """Embeddings of tokens and positions, through blocks; at each position the next token.

    With tied embeddings, 12 blocks of 12 heads and width 768 it is GPT-2 small, with 124,439,808
    parameters. GPT-2's initial weights: a normal of std 0.02, divided by sqrt(2 * depth) in the
    last layer before each connection's sum, and zero biases.

    Args:
        input_shape: (positions,), the longest sequence.
        num_classes: tokens of the vocabulary.
        depth: blocks.
        heads: of each block's attention, a divisor of `width`.
        width: units of a position.
        attention: "split" has a layer for each of queries, keys, values and the result;
            "multihead" is `nn.MultiheadAttention`, with the first three in one weight.
        tied: whether `output` and the tokens' embedding share their weight (Press & Wolf 2017).
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
        dropout: float,
    ) -> None:
        super().__init__()
        if len(input_shape) != 1:
            raise ValueError(f"input_shape={input_shape}: (positions,), sequences of tokens")
        for name, value in {"depth": depth, "heads": heads, "width": width}.items():
            check_whole(name, value, at_least=1)
        check_heads(width, heads)
        check_dropout(dropout)
        if attention not in ("split", "multihead"):
            raise ValueError(f"attention={attention}: split or multihead")
        if not isinstance(tied, bool):
            raise ValueError(f"tied={tied}: true or false")
        self.dropout = dropout
        self.embedding = nn.Embedding(num_classes, width)
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
                last = name.endswith(INTO_THE_SUM)
                nn.init.normal_(parameter, std=STD / sqrt(2 * depth) if last else STD)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (batch, positions, vocabulary) of token numbers (batch, positions)."""
        places = torch.arange(inputs.shape[1], device=inputs.device)
        hidden = self.embedding(inputs) + self.positions(places)
        hidden = self.blocks(dropout(hidden, self.dropout, self.training))
        logits: Tensor = self.output(self.norm(hidden))
        return logits
