"""Which other runs have a round 0 that is equal to this run's, because all that shapes it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from lottery.config.copied_masks import trunk_of_equal_shape, without_masks
from lottery.config.provenance import package_versions, source_digest, versions
from lottery.config.run_key import shapes_dense_round
from lottery.config.settings import Settings
from lottery.imp import DenseSource
from lottery.record.dense_rounds import DenseRounds
from lottery.record.files import json_digest
from lottery.record.schema import Hardware


def dense_source(
    settings: Settings,
    *,
    digests: Mapping[str, str],
    prunable: Sequence[str],
    hardware: Hardware,
) -> DenseSource:
    """Return where round 0 may be taken from instead of being trained.

    Callbacks must see every round. An early bird is looked for in the training itself.
    """
    shaped_by = _digest(settings, digests, prunable, hardware)
    return DenseSource(
        trunk=trunk_of_equal_shape(settings, digests),
        known=DenseRounds(Path(settings.output_dir).absolute()),
        digest=None if settings.callbacks else shaped_by,
        takes=settings.adopt and settings.early_bird.epsilon is None,
    )


def _digest(
    settings: Settings, digests: Mapping[str, str], prunable: Sequence[str], hardware: Hardware
) -> str:
    """Return the digest of all that shapes round 0, to the last bit of its weights."""
    shaping = shapes_dense_round(settings.canonical, settings.seed)
    others = package_versions(v for k, v in shaping.items() if k.endswith("_target_"))
    return json_digest(
        {
            "config": shaping,
            "files": without_masks(digests),
            "prunable": list(prunable),  # they have masks, all of ones
            "hardware": hardware,
            "kernels": torch.backends.cpu.get_cpu_capability(),  # such as AVX2
            "versions": versions(),
            "sources": source_digest(),  # of a checkout that somebody works on
            **({"packages": others} if others else {}),
        }
    )
