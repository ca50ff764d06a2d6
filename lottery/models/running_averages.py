"""BatchNorm's running averages."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def own_statistics(network: nn.Module) -> list[Tensor]:
    """Return the running averages that each rank makes of its own part of the batches."""
    return [
        buffer
        for layer in network.modules()
        if isinstance(layer, _BatchNorm) and not isinstance(layer, nn.SyncBatchNorm)
        for buffer in layer.buffers()
    ]
