"""Masks: bool tensors of their weights' shapes, True = kept, by parameter name (`fc1.weight`)."""

from collections.abc import Container, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

Masks = dict[str, Tensor]

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
# Attention's weights for queries, keys and values; the one for its results is a Linear layer's.
ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


def layer_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of Linear, Conv and attention modules, module by module."""
    found = []
    for module in model.modules():
        names = ATTENTION if isinstance(module, nn.MultiheadAttention) else ("weight",)
        if isinstance(module, (nn.MultiheadAttention, *LAYERS)):
            # not getattr: asking for a weight that is made from others can change them
            found += [module._parameters.get(name) for name in names]
    return [weight for weight in found if weight is not None]


def prunable_weights(model: nn.Module, also: Sequence[str] = ()) -> dict[str, nn.Parameter]:
    """Return what can be pruned: trainable weights of layers, and parameters that `also` names.

    Layers are Linear, Conv and attention modules. Biases, norm layers and frozen layers are left
    out. A weight that is used in several places comes once, under its first name.

    Args:
        model: any network.
        also: globs on parameter names.

    Raises:
        ValueError: a pattern matches no trainable parameter.

    Example:
        >>> list(prunable_weights(nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), ["0.*"]))
        ['0.weight', '1.weight']
    """
    layers = {id(weight) for weight in layer_weights(model)}
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for pattern in also:
        if not any(fnmatchcase(name, pattern) for name in trainable):
            others = ", ".join(n for n, p in trainable.items() if id(p) not in layers)
            raise ValueError(f"also: {pattern!r} matches none of {others}")
    return {
        name: parameter
        for name, parameter in trainable.items()
        if id(parameter) in layers or any(fnmatchcase(name, pattern) for pattern in also)
    }


def count_outside(model: nn.Module, masks: Container[str]) -> dict[str, int]:
    """Count the parameters that have no mask, the most first.

    They are named one by one, save biases, norm layers and frozen parameters.

    Example:
        >>> network = nn.Sequential(nn.Embedding(5, 3), nn.LayerNorm(3), nn.Linear(3, 2))
        >>> count_outside(network, ["2.weight"])
        {'0.weight': 15, 'norm layers': 6, 'biases': 2}
    """
    norms = {
        id(parameter)
        for module in model.modules()
        if "Norm" in type(module).__name__
        for parameter in module.parameters(recurse=False)
    }
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if name in masks:
            continue
        label = name
        if id(parameter) in norms:
            label = "norm layers"
        elif is_bias(name):
            label = "biases"
        elif not parameter.requires_grad:
            label = "frozen parameters"
        counts[label] = counts.get(label, 0) + parameter.numel()
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def is_bias(name: str) -> bool:
    """Tell whether a parameter is a bias: `fc1.bias`, `in_proj_bias`, `bias_ih_l0`, `bias_k`."""
    last = name.rpartition(".")[2]
    return last.startswith("bias") or last.endswith("bias")


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


def count_shared(first: Masks, second: Masks) -> dict[str, int]:
    """Count the weights of each layer that both masks keep."""
    return {name: int((mask & second[name]).sum()) for name, mask in first.items()}


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
