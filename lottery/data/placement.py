"""Where a run's inputs stand: in the GPU's memory if they fit, else in the host's."""

import logging

import torch

from lottery.data.splits import Split, Splits

log = logging.getLogger(__name__)

SHARE = 0.5  # of the GPU's free memory that the data may take; the network needs the rest


def placed(
    splits: Splits, device: torch.device, dtype: torch.dtype, *, on_gpu: bool | None
) -> Splits:
    """Return the splits for a network on a device.

    Args:
        splits: in the host's memory.
        device: the network's.
        dtype: the network's floating-point type.
        on_gpu: whether a GPU holds the inputs; None: if they take at most half of its free
            memory. It changes no result.
    """
    if device.type == "cpu":
        return splits.to(device, dtype)
    size = sum(_num_bytes(split, dtype) for split in splits.by_name().values())
    if on_gpu is None:
        free, _ = torch.cuda.mem_get_info(device)
        on_gpu = size <= SHARE * free
        why = f"{_gigabytes(free)} of the GPU's are free, {100 * SHARE:g} % of it for data"
    else:
        why = "as trainer.data_on_gpu=false asks"
    if on_gpu:
        return splits.to(device, dtype)
    log.info(
        "the data (%s) stay in the host's memory, and batches are copied to the GPU: %s",
        _gigabytes(size),
        why,
    )
    return splits.changed(lambda split: split.to(device, dtype, on_host=True))


def _num_bytes(split: Split, dtype: torch.dtype) -> int:
    """Return the bytes of a split on the GPU: inputs in the type that they have there."""
    kept = split.scaling is not None or split.has_tokens
    one = split.inputs[:1].to(split.inputs.dtype if kept else dtype)
    return len(split) * one.nbytes + split.targets.nbytes


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
