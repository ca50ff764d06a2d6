"""The Vision Transformer: timm's names, published sizes, torch's layers, initial weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lottery.masks import prunable_weights
from lottery.models import VisionTransformer
from lottery.models.attention import attend
from lottery.models.vit import Block
from tests.helpers.networks import CIFAR, weight_shapes

SMALL = {"patch": 4, "depth": 2, "heads": 3, "width": 12, "dropout": 0}


def _vit(
    shape: tuple[int, ...] = CIFAR, num_classes: int = 10, **changed: Any
) -> VisionTransformer:
    return VisionTransformer(shape, num_classes, **(SMALL | changed))


def _on_meta(shape: tuple[int, ...], num_classes: int, **changed: Any) -> VisionTransformer:
    with torch.device("meta"):
        return _vit(shape, num_classes, **changed)


# torchvision's `num_params` of its vit_b_16, vit_b_32 and vit_l_16, which are these networks under
# other names; timm prints 5.72 and 22.05 million for vit_tiny and vit_small.
SIZES = {
    "tiny": (16, 12, 3, 192, 5_717_416),
    "small": (16, 12, 6, 384, 22_050_664),
    "base": (16, 12, 12, 768, 86_567_656),
    "base, patches of 32": (32, 12, 12, 768, 88_224_232),
    "large": (16, 24, 16, 1_024, 304_326_632),
}


@pytest.mark.parametrize("size", SIZES)
def test_numbers_of_parameters_on_imagenet(size: str) -> None:
    patch, depth, heads, width, number = SIZES[size]
    network = _on_meta((3, 224, 224), 1_000, patch=patch, depth=depth, heads=heads, width=width)
    assert sum(parameter.numel() for parameter in network.parameters()) == number


BLOCK_0 = {
    "norm1.weight": (12,),
    "norm1.bias": (12,),
    "attn.qkv.weight": (36, 12),
    "attn.qkv.bias": (36,),
    "attn.proj.weight": (12, 12),
    "attn.proj.bias": (12,),
    "norm2.weight": (12,),
    "norm2.bias": (12,),
    "mlp.fc1.weight": (48, 12),
    "mlp.fc1.bias": (48,),
    "mlp.fc2.weight": (12, 48),
    "mlp.fc2.bias": (12,),
}


def test_names_and_shapes_are_timms() -> None:
    state = _on_meta(CIFAR, 10, depth=1).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "cls_token": (1, 1, 12),
        "pos_embed": (1, 1 + 8 * 8, 12),
        "patch_embed.proj.weight": (12, 3, 4, 4),
        "patch_embed.proj.bias": (12,),
        **{f"blocks.0.{name}": shape for name, shape in BLOCK_0.items()},
        "norm.weight": (12,),
        "norm.bias": (12,),
        "head.weight": (10, 12),
        "head.bias": (10,),
    }


def _random(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)


def _inputs(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def _torchs_layer(block: Block, heads: int) -> nn.TransformerEncoderLayer:
    """Torch's layer with the weights of a block."""
    width = len(block.norm1.weight)
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        dim_feedforward=4 * width,
        dropout=0,
        activation="gelu",
        layer_norm_eps=1e-6,
        batch_first=True,
        norm_first=True,
    )
    ours, mapped = block.state_dict(), {}
    for theirs, name in {
        "self_attn.in_proj_": "attn.qkv.",
        "self_attn.out_proj.": "attn.proj.",
        "linear1.": "mlp.fc1.",
        "linear2.": "mlp.fc2.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }.items():
        for kind in ("weight", "bias"):
            mapped[theirs + kind] = ours[name + kind]
    layer.load_state_dict(mapped, strict=True)
    return layer


def test_it_is_patches_and_a_token_through_torchs_encoder_layers() -> None:
    network = _vit().double()
    _random(network)
    images = _inputs(2, *CIFAR).double()
    patches = images.unfold(2, 4, 4).unfold(3, 4, 4)  # batch, channel, row, column, 4, 4
    patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    weight, bias = (network.get_parameter(f"patch_embed.proj.{n}") for n in ("weight", "bias"))
    tokens = nn.functional.linear(patches, weight.flatten(1), bias)
    hidden = torch.cat([network.cls_token.expand(2, -1, -1), tokens], 1) + network.pos_embed
    for block in network.blocks:
        assert isinstance(block, Block)
        hidden = _torchs_layer(block, heads=3).double()(hidden)
    hidden = nn.functional.layer_norm(hidden, (12,), network.norm.weight, network.norm.bias, 1e-6)
    torch.testing.assert_close(network(images), network.head(hidden[:, 0]))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_by_its_formula(causal: bool) -> None:
    q, k, v = (_inputs(2, 5, 6) * factor for factor in (1, 2, 3))
    expected = []
    for head in range(3):
        places = slice(2 * head, 2 * head + 2)
        scores = q[:, :, places] @ k[:, :, places].mT / 2**0.5
        if causal:
            scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
        expected.append(scores.softmax(-1) @ v[:, :, places])
    mixed = attend(q, k, v, heads=3, causal=causal, dropout=0)
    torch.testing.assert_close(mixed, torch.cat(expected, -1))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 32)])
def test_images_of_other_sizes(shape: tuple[int, ...]) -> None:
    network = _on_meta(shape, 4)
    assert network(torch.ones(2, *shape, device="meta")).shape == (2, 4)
    assert network.pos_embed.shape[1] == 1 + shape[1] * shape[2] // 16


def test_initial_weights_are_a_truncated_normal() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = _vit(width=96)
    for name in ("blocks.0.attn.qkv", "blocks.1.mlp.fc2", "head"):
        weight = network.get_parameter(f"{name}.weight")
        assert weight.std().item() == pytest.approx(0.02, rel=0.06)
        assert not network.get_parameter(f"{name}.bias").any()
    assert network.pos_embed.std().item() == pytest.approx(0.02, rel=0.06)
    assert 0 < network.cls_token.abs().max() < 1e-5


def test_dropout_is_in_training_only_and_0_draws_nothing() -> None:
    images = _inputs(2, *CIFAR)
    before = torch.get_rng_state()
    _vit_in_training(dropout=0)(images)
    assert torch.equal(torch.get_rng_state(), before)
    network = _vit_in_training(dropout=0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(network(images), network(images))
        network.eval()
        assert torch.equal(network(images), network(images))


def _vit_in_training(dropout: float) -> VisionTransformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _vit(dropout=dropout).train()


@pytest.mark.parametrize(
    ("shape", "changed", "message"),
    [
        ((64,), {}, r"input_shape=\(64,\): \(channels, height, width\)"),
        (CIFAR, {"patch": 5}, r"patch=5: a divisor of the images' sizes, \[32, 32\]"),
        (CIFAR, {"patch": 0}, "patch=0: a whole number >= 1"),
        (CIFAR, {"depth": 0}, "depth=0: a whole number from 1 to 2000"),
        (CIFAR, {"depth": 1.0}, "depth=1.0: a whole number from 1"),
        (CIFAR, {"heads": 5}, "heads=5: a divisor of width=12"),
        (CIFAR, {"width": "12"}, "width=12: a whole number >= 1"),
        (CIFAR, {"dropout": 1}, "dropout=1: a number >= 0 and below 1"),
    ],
)
def test_other_values_are_refused(
    shape: tuple[int, ...], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        _vit(shape, **changed)


def test_prunable_weights_are_the_layers() -> None:
    shapes = weight_shapes(_on_meta(CIFAR, 10, depth=1))
    others = {"cls_token", "pos_embed"}
    assert set(prunable_weights(_on_meta(CIFAR, 10, depth=1))) == {
        f"{name}.weight" for name in shapes if name not in others
    }
