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
