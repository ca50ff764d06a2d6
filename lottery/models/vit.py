"""The Vision Transformer (Dosovitskiy et al. 2021), under timm's parameter names."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from lottery.arguments import check_whole
from lottery.models.arguments import check_depth, check_dropout, check_heads, check_images
from lottery.models.attention import attend

MLP_RATIO = 4  # hidden units of a block's MLP for each unit of the width
EPSILON = 1e-6  # of every LayerNorm
STD = 0.02  # of initial weights


class Attention(nn.Module):
    """Self-attention; one layer gives queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (batch, positions, width) to the same shape."""
        q, k, v = self.qkv(hidden).chunk(3, dim=-1)
        mixed: Tensor = self.proj(attend(q, k, v, heads=self.heads, causal=False, dropout=0))
        return mixed


class Block(nn.Module):
    """Self-attention and an MLP, each behind a LayerNorm and with a shortcut around it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        layers = OrderedDict(
            fc1=nn.Linear(width, MLP_RATIO * width),
            act=nn.GELU(),
            drop1=nn.Dropout(dropout),
            fc2=nn.Linear(MLP_RATIO * width, width),
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (batch, positions, width) to the same shape."""
        for norm, layer in ((self.norm1, self.attn), (self.norm2, self.mlp)):
            hidden = hidden + dropout(layer(norm(hidden)), self.dropout, self.training)
        return hidden


class VisionTransformer(nn.Module):
    """Patches of an image and a class token, through blocks; classes from the token.

    State dicts of timm's networks of the same sizes fit, and so the last layer is called `head`;
    queries, keys and values of a block are one layer, `attn.qkv`. ViT-B/16 (12 blocks, 12 heads,
    width 768) has 86,567,656 parameters on ImageNet. timm's initial weights, which are those of
    DeiT (Touvron et al. 2021): a truncated normal of std 0.02 for the fully connected layers and
    the positions, zero biases, a class token of std 1e-6, torch's own for the patches.

    Args:
        input_shape: (channels, height, width), both multiples of `patch`.
        num_classes: number of outputs.
        patch: height and width of a patch.
        depth: number of blocks.
        heads: of each block's attention, a divisor of `width`.
        width: number of units of a position.
        dropout: share of the units dropped after every fully connected layer but `qkv`, and
            after the positions are added (appendix B.1 of the paper).
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        patch: int,
        depth: int,
        heads: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        check_images(input_shape)
        check_depth(depth, at_least=1)
        sizes = {"patch": patch, "heads": heads, "width": width}
        for name, value in sizes.items():
            check_whole(name, value, at_least=1)
        check_heads(width, heads)
        check_dropout(dropout)
        channels, *image = input_shape
        if any(size % patch for size in image):
            raise ValueError(f"patch={patch}: a divisor of the images' sizes, {image}")
        rows, columns = (size // patch for size in image)
        self.dropout = dropout
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + rows * columns, width))
        self.patch_embed = nn.Sequential(
            OrderedDict(proj=nn.Conv2d(channels, width, patch, stride=patch))
        )
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Linear(width, num_classes)
        self._draw()

    def _draw(self) -> None:
        nn.init.trunc_normal_(self.pos_embed, std=STD)
        nn.init.normal_(self.cls_token, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=STD)
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (batch, num_classes) of images (batch, channels, height, width)."""
        patches = self.patch_embed(inputs).flatten(2).transpose(1, 2)
        token = self.cls_token.expand(len(inputs), -1, -1)
        hidden = torch.cat([token, patches], 1) + self.pos_embed
        hidden = self.blocks(dropout(hidden, self.dropout, self.training))
        logits: Tensor = self.head(self.norm(hidden)[:, 0])
        return logits
