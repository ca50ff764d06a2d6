"""Turn the bytes of images into what a network takes, a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NORMALIZATIONS = ("unit", "mean_std")  # what `normalize` of a dataset may be


@dataclass(frozen=True)
class Scaling:
    """Subtract each channel's mean from the bytes and divide by its standard deviation.

    Args:
        mean: in bytes, 0 to 255; (channels, 1, 1), in the network's floating-point type.
        std: the same for the standard deviation.

    Example:
        >>> pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
        >>> Scaling.of([0.5], [0.25])(pixels).flatten().tolist()
        [-2.0, 2.0]
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, mean: Sequence[float], std: Sequence[float]) -> "Scaling":
        """Make a scaling from statistics of pixels in [0, 1], one number per channel."""
        as_bytes = (255 * torch.tensor(statistic)[:, None, None] for statistic in (mean, std))
        return cls(*as_bytes)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the network's inputs for bytes, (batch, channels, height, width)."""
        return pixels.to(self.mean.dtype).sub_(self.mean).div_(self.std)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Scaling":
        """Return the scaling for bytes on a device and a network of a floating-point type."""
        return Scaling(self.mean.to(device, dtype), self.std.to(device, dtype))


def scaling_for(normalize: str, mean: Sequence[float], std: Sequence[float]) -> Scaling:
    """Return the scaling to [0, 1] for "unit", by the statistics of pixels in [0, 1] otherwise."""
    if normalize == "unit":
        return Scaling.of([0.0] * len(mean), [1.0] * len(std))
    return Scaling.of(mean, std)
