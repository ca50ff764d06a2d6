"""A run's config, composed from overrides outside Hydra's own command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton

from lottery.conf_dir import conf_dir
from lottery.config.hydra_setup import register_resolvers
from lottery.config.overrides import check_overrides, composing
from lottery.config.run_key import plain


@dataclass(frozen=True)
class Composed:
    """A composed config as plain containers, and the folder of its run."""

    config: dict[str, Any]
    path: Path


def compose_run(words: Sequence[str]) -> Composed:
    """Compose the config of a run as `lottery WORDS...` does; its values are not checked yet.

    Raises:
        ConfigError: a mistake in the overrides.
    """
    check_overrides(words)
    register_resolvers()
    outer = Singleton.get_state()  # this may be called inside another Hydra app
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"), composing(words):
            composed = compose("config", overrides=list(words), return_hydra_config=True)
    finally:
        Singleton.set_state(outer)
    return Composed(plain(composed), Path(str(composed.hydra.run.dir)).absolute())
