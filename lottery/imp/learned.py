"""The checks of rounds that learn their masks."""

from collections.abc import Mapping
from typing import Any

from lottery.imp.checks import BrokenInvariant, count_differing
from lottery.masks import Masks, count_ones, count_shared
from lottery.models.state import Start, State


def check_learned(
    number: int, start: Start, trained: Mapping[str, State], *, at_start: Masks, masks: Masks
) -> dict[str, Any]:
    """Check that learned masks keep as many weights as at first, and that no weight has changed.

    `trained` are the networks that came out, by name.
    """
    expected, left = count_ones(at_start), count_ones(masks)
    if left != expected:
        raise BrokenInvariant(f"round {number}: {left} weights learned, {expected} expected")
    frozen = State(start.weights, {})
    for name, state in trained.items():
        differing = count_differing(State(state.weights, {}), frozen, masks)
        if differing:
            raise BrokenInvariant(
                f"round {number}: weights were trained that are frozen ({name}): "
                f"{', '.join(differing)}"
            )
    return {"frozen_differing": 0, "stayed": count_shared(at_start, masks)}
