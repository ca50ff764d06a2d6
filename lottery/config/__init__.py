"""From a composed config to a run that is ready to start. With `cli` and `api`, it knows Hydra.

Importing this package does not import torch: plain values are checked first. A user's mistake is
a ConfigError, one line that names the key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config.module_settings import check_module_settings
from lottery.config.process_rank import ProcessRank as ProcessRank
from lottery.config.settings import Settings, check_names, read_settings
from lottery.errors import ConfigError as ConfigError
from lottery.record.run_dir import RunDir

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

ALONE = ProcessRank()


def prepare(config: Mapping[str, Any], path: Path, process: ProcessRank = ALONE) -> "Experiment":
    """Check a config (plain containers) and build its run in a folder. Nothing is written."""
    settings = read_checked(config)
    if settings.module is not None:
        from lottery.config.module_experiment import build_module_experiment

        return build_module_experiment(settings, RunDir(path), process)

    from lottery.config.experiment import build_experiment  # torch and Lightning: seconds

    return build_experiment(settings, RunDir(path), process)


def read_checked(config: Mapping[str, Any]) -> Settings:
    """Return the settings of a composed config (plain containers), checked without torch."""
    check_names(config)
    settings = read_settings(config)
    check_module_settings(settings)
    return settings
