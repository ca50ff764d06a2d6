"""Initial weights."""

from torch import nn


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
