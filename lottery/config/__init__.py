"""From a composed config to the objects of a run; `app` and `api` beside it know Hydra too.

Importing this package does not import torch: plain values are checked first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lottery.config.process_rank import ProcessRank as ProcessRank
from lottery.config.rules import check_values
from lottery.errors import ConfigError as ConfigError
from lottery.record.run_dir import RunDir

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment

ALONE = ProcessRank()


def prepare(config: Mapping[str, Any], path: Path, process: ProcessRank = ALONE) -> "Experiment":
    """Check a config and build its run; nothing is written.

    Args:
        config: the composed config as plain containers.
        path: the run's folder.
        process: which of the run's processes this is.

    Raises:
        ConfigError: a user's mistake.
    """
    check_values(config)

    from lottery.config.experiment import build_experiment  # torch and Lightning: seconds

    return build_experiment(config, RunDir(path), process)
