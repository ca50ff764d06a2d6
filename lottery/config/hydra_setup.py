"""What Hydra needs to know: where `conf/` is and how a run's folder is named."""

import secrets
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from lottery.conf_dir import conf_dir as conf_dir
from lottery.config.run_key import plain, run_path


def register_resolvers() -> None:
    """Define the resolvers that conf/config.yaml uses."""
    OmegaConf.register_new_resolver("lottery_run_dir", _run_dir, replace=True)
    OmegaConf.register_new_resolver("lottery_output_dir", _output_dir, replace=True)
    OmegaConf.register_new_resolver(
        "lottery_sweep_id", lambda: secrets.token_hex(2), use_cache=True, replace=True
    )


def choices_of(config: DictConfig) -> dict[str, str]:
    """Return the option chosen in each config group, or the class that an override names."""
    choices = {str(group): str(option) for group, option in config.hydra.runtime.choices.items()}
    for override in config.hydra.overrides.task:
        key, _, value = str(override).lstrip("+").partition("=")
        group, _, rest = key.partition(".")
        if rest == "_target_" and group in choices:
            choices[group] = value.strip("'\"").rpartition(".")[2]
    return choices


def job_logging() -> dict[str, Any] | None:
    """Return how this Hydra job logs, for other processes of its run; None outside a job."""
    if not HydraConfig.initialized():
        return None
    config = OmegaConf.to_container(HydraConfig.get().job_logging, resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def _run_dir(*, _root_: DictConfig) -> str:
    try:
        return str(run_path(plain(_root_), choices_of(_root_)))
    except Exception:  # noqa: BLE001  # an error here would be 80 lines of traceback
        return "unnamed"  # the checks that follow name the mistake in one line


def _output_dir(*, _root_: DictConfig) -> str:
    return str(Path(str(_root_.get("output_dir"))).expanduser())
