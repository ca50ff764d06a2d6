"""`reinit=none` with learned masks. Nothing heavy is imported."""

from collections.abc import Mapping
from typing import Any

from lottery.config.rules import get_nested

LEARNED = "lottery.pruning.EdgePopup"
KEPT = "lottery.reinit.Continue"
REWOUND = {"_target_": "lottery.reinit.Rewind", "to": "0it", "optimizer_state": "fresh"}


def with_frozen_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config in which frozen weights that are kept are those of the very beginning.

    Rounds train none of them, so that `reinit=none` and `reinit=rewind` are one run.
    """
    if _learns_masks(config) and get_nested(config, "reinit._target_") == KEPT:
        return {**config, "reinit": dict(REWOUND)}
    return dict(config)


def reinit_word(config: Mapping[str, Any], option: Any) -> Any:
    """Return the word for the chosen option of `reinit` in the folder's name."""
    return "rewind" if _learns_masks(config) and option == "none" else option


def _learns_masks(config: Mapping[str, Any]) -> bool:
    return bool(get_nested(config, "criterion._target_") == LEARNED)
