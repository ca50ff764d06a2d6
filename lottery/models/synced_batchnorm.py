"""BatchNorm over a batch of which each process has a part."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from lottery.distributed import num_ranks, rank, sum_over_ranks


class SyncedBatchNorm(_BatchNorm):
    """BatchNorm whose mean and variance are those of the whole batch, on GPUs and on CPUs.

    It does what `torch.nn.SyncBatchNorm` does, with one exchange forward and one backward. That
    one has no kernels for CPUs, and its host waits for the GPU in every layer and step.

    Example:
        >>> layer = nn.BatchNorm2d(3)
        >>> SyncedBatchNorm.of(layer).weight is layer.weight
        True
    """

    @classmethod
    def of(cls, layer: _BatchNorm) -> "SyncedBatchNorm":
        """Return a layer with the parameters and buffers of another."""
        made = cls(
            layer.num_features,
            eps=layer.eps,
            momentum=layer.momentum,
            affine=layer.affine,
            track_running_stats=layer.track_running_stats,
        )
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(made, name, getattr(layer, name))  # None stays None
        made.train(layer.training)
        return made

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # torch's name
        if input.dim() < 2:
            raise ValueError(f"input of {input.dim()} dimensions: 2 or more, (batch, channels, *)")

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise by the batch of all processes; in evaluation by the running averages."""
        if not self.training or num_ranks() == 1:
            return super().forward(inputs)
        self._check_input_dim(inputs)
        mean, var, count = _statistics(inputs.detach())
        self._keep_averages(mean, var * (count / (count - 1)))
        normalize: Any = _Normalize.apply  # which torch has no types for
        outputs: Tensor = normalize(inputs, self.weight, self.bias, mean, var, count, self.eps)
        return outputs

    def _keep_averages(self, mean: Tensor, var: Tensor) -> None:
        """Move the running averages towards the batch's mean and unbiased variance."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        # without a momentum all batches count alike
        share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
        for average, new in ((self.running_mean, mean), (self.running_var, var)):
            average.copy_(average * (1 - share) + new * share)


def with_synced_batchnorm(network: nn.Module) -> nn.Module:
    """Return a network whose BatchNorm layers see the batches of all processes; others stay."""
    if isinstance(network, _BatchNorm):
        return SyncedBatchNorm.of(network)
    for name, layer in network.named_children():
        setattr(network, name, with_synced_batchnorm(layer))
    return network


def _statistics(inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, biased variance and number of values by channel, of all processes' inputs.

    They are put together from each process's own mean and variance (Chan et al. 1979), because
    the mean of squares would lose digits.
    """
    var, mean = torch.var_mean(_wide(inputs), _all_but_channels(inputs), correction=0)
    count = torch.full_like(mean, inputs.numel() / inputs.shape[1])
    parts = mean.new_zeros(num_ranks(), 3, len(mean))
    parts[rank()] = torch.stack([mean, var, count])
    means, variances, counts = sum_over_ranks(parts).unbind(1)
    total = counts.sum(0)
    mean = (counts * means).sum(0) / total
    var = (counts * (variances + (means - mean).square())).sum(0) / total
    return mean, var, total


class _Normalize(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias, where mean and var are those of all x."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        count: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, mean, (var + eps).rsqrt(), count)
        scale, shift = (None if t is None else t.to(mean.dtype) for t in (weight, bias))
        return nn.functional.batch_norm(inputs, mean, var, scale, shift, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, factor, count = ctx.saved_tensors
        shape = [1, -1] + [1] * (inputs.dim() - 2)
        wide, dims = _wide(gradient), _all_but_channels(inputs)
        normal = (_wide(inputs) - mean.reshape(shape)) * factor.reshape(shape)
        own = torch.stack([wide.sum(dims), (wide * normal).sum(dims)])
        of_sum, of_product = (sum_over_ranks(own) / count).to(wide.dtype)
        scale = factor if weight is None else factor * weight
        of_inputs = wide - of_sum.reshape(shape) - normal * of_product.reshape(shape)
        of_inputs = (of_inputs * scale.reshape(shape)).to(inputs.dtype)
        of_bias, of_weight = own if weight is None else own.to(weight.dtype)
        wanted = ctx.needs_input_grad
        return (
            of_inputs,
            of_weight if wanted[1] else None,
            of_bias if wanted[2] else None,
            *(None, None, None, None),
        )


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _all_but_channels(inputs: Tensor) -> list[int]:
    return [dim for dim in range(inputs.dim()) if dim != 1]
