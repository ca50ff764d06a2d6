"""Attention of several heads, for the networks that are made of it."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, *, heads: int, causal: bool, dropout: float
) -> Tensor:
    """Return softmax(q k' / sqrt(d)) v for each head, the heads side by side.

    Vaswani et al. 2017. All tensors are (batch, positions, width). With `causal` a position sees
    only itself and those before it. `dropout` must be 0 outside of training.
    """
    q, k, v = (
        torch.unflatten(tensor, -1, (heads, -1)).transpose(1, 2)
        for tensor in (queries, keys, values)
    )
    mixed = scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal)
    return mixed.transpose(1, 2).flatten(2)
