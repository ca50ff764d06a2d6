"""Masks: bool tensors of their weights' shapes, True = kept, by parameter name (`fc1.weight`)."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)


def linear_and_conv_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return every trainable weight of a Linear or Conv module: what can be pruned.

    Biases, norm layers and frozen layers are left out. A weight that two layers share comes once.
    """
    layers = {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, LAYERS)
    }
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name in layers and parameter.requires_grad
    }


def select(names: Iterable[str], only: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the names that match a glob of `only` and none of `exclude`.

    Raises:
        ValueError: a pattern matches nothing, or nothing is left.

    Example:
        >>> select(["fc1.weight", "fc2.weight", "output.weight"], ["*"], ["output*"])
        ['fc1.weight', 'fc2.weight']
    """
    names = list(names)
    for key, patterns in (("only", only), ("exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ValueError(f"{key}: {pattern!r} matches none of {', '.join(names)}")
    chosen = [
        name
        for name in names
        if any(fnmatchcase(name, pattern) for pattern in only)
        and not any(fnmatchcase(name, pattern) for pattern in exclude)
    ]
    if not chosen:
        raise ValueError(f"only={list(only)} less exclude={list(exclude)} leaves nothing to prune")
    return chosen


def ones(weights: Mapping[str, Tensor]) -> Masks:
    """Return masks that keep everything."""
    return {
        name: torch.ones_like(weight, dtype=torch.bool, requires_grad=False)
        for name, weight in weights.items()
    }


def apply_masks(tensors: Sequence[Tensor], masks: Sequence[Tensor]) -> None:
    """Set the pruned places of `tensors` to zero, in place, in one multi-tensor call.

    It is fast when the masks have the tensors' dtype and device.
    """
    with torch.no_grad():
        torch._foreach_mul_(list(tensors), list(masks))


def masked(tensors: Mapping[str, Tensor], masks: Masks) -> dict[str, Tensor]:
    """Return copies of `tensors` with the pruned places at zero; tensors without a mask stay."""
    return {
        name: torch.where(masks[name], tensor, torch.zeros_like(tensor))
        if name in masks
        else tensor
        for name, tensor in tensors.items()
    }


def count_ones(masks: Masks) -> dict[str, int]:
    """Count the kept weights of each layer."""
    return {name: int(mask.sum()) for name, mask in masks.items()}


def density(masks: Masks) -> float:
    """Return the kept share of the prunable weights: `remaining` in the results."""
    return sum(count_ones(masks).values()) / sum(mask.numel() for mask in masks.values())


def check_nested(masks: Masks, before: Masks) -> None:
    """Check that `masks` keep only what `before` kept, and raise a ValueError if not."""
    if masks.keys() != before.keys():
        raise ValueError(f"masks of {sorted(masks)}, before of {sorted(before)}")
    for name, mask in masks.items():
        if mask.shape != before[name].shape or mask.dtype != torch.bool:
            raise ValueError(f"{name}: a mask of shape {tuple(mask.shape)} and {mask.dtype}")
        revived = int((mask & ~before[name]).sum())
        if revived:
            raise ValueError(f"{name}: {revived} pruned weights came back")
