"""Initial weights."""

from collections.abc import Callable

from torch import Tensor, nn

from lottery.masks import layer_weights


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


def initialise_(model: nn.Module, weights: str | None, norms: str | None) -> None:
    """Draw the weights of a network once more, in place, by torch's global generator.

    Args:
        model: any network; frozen weights and biases stay as they are.
        weights: of Linear, Conv and attention layers, a name of `WEIGHTS`. `kaiming_normal` is
            std = sqrt(2 / fan_in), `xavier_normal` std = sqrt(2 / (fan_in + fan_out)).
        norms: scales (gamma) of BatchNorm, whose shifts (beta) become 0: "ones", or "uniform" from
            0 to 1, as in the code of Frankle et al. 2020 and 2021. None leaves both as they are.

    Example:
        >>> network = nn.Sequential(nn.Linear(200, 50), nn.BatchNorm1d(50))
        >>> _ = torch.manual_seed(0)
        >>> initialise_(network, "kaiming_normal", "uniform")
        >>> round(network[0].weight.std().item(), 2), round(network[1].weight.mean().item(), 1)
        (0.1, 0.5)
    """
    if weights is not None:
        for parameter in layer_weights(model):
            if parameter.requires_grad:
                WEIGHTS[weights](parameter)
    if norms is None:
        return
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            NORMS[norms](module.weight)
            nn.init.zeros_(module.bias)
