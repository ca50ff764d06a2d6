"""Initial weights."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn


def glorot_normal_(model: nn.Module) -> None:
    """Set Gaussian Glorot weights, std = sqrt(2 / (fan_in + fan_out)), and zero biases, in place.

    Frankle & Carbin 2019. The numbers come from torch's global generator.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def he_normal_(model: nn.Module) -> None:
    """Set convolutions to He normal weights by fan-out, std = sqrt(2 / fan_out), in place.

    He et al. 2015. Their biases become zero; other layers stay as they are.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


# By torch.nn.init, with its defaults: the gain of ReLU and the fan-in for He's ("kaiming"), the
# gain 1 for Glorot's ("xavier").
WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "kaiming_normal": nn.init.kaiming_normal_,
    "kaiming_uniform": nn.init.kaiming_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
}
NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "ones": nn.init.ones_,
    "uniform": nn.init.uniform_,
}


def draw_weights_(weights: Iterable[nn.Parameter], name: str) -> None:
    """Draw weights of layers once more, in place, by torch's global generator; frozen ones stay.

    Args:
        weights: of Linear, Conv and attention layers.
        name: one of `WEIGHTS`. "kaiming_normal" is std = sqrt(2 / fan_in), "xavier_normal" is std
            = sqrt(2 / (fan_in + fan_out)).

    Example:
        >>> layer = nn.Linear(200, 50)
        >>> draw_weights_([layer.weight], "kaiming_normal")
        >>> round(layer.weight.std().item(), 2)
        0.1
    """
    for weight in weights:
        if weight.requires_grad:
            WEIGHTS[name](weight)


def draw_norms_(model: nn.Module, name: str) -> None:
    """Set the scales (gamma) of BatchNorm, in place; its shifts (beta) become 0.

    Args:
        model: any network.
        name: "ones", or "uniform" from 0 to 1, as in the code of Frankle et al. 2020 and 2021.
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            NORMS[name](module.weight)
            nn.init.zeros_(module.bias)
