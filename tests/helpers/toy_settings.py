"""Configs of made-up settings, and their runs grouped as the report groups them."""

from pathlib import Path
from typing import Any

from lottery.report.read.groups import group_runs
from lottery.report.read.settings import Setting
from tests.helpers.toy_records import CONFIG, COPIED, toy_record

SNIP = CONFIG | {"criterion._target_": "lottery.pruning.Snip", "pruning.at": "init"}
FINETUNED = COPIED | {"reinit._target_": "lottery.reinit.Finetune", "reinit.steps": None}
PRETRAINED = {"model.init_from": "weights.pth"}
COPY = "digits-lenet_300_100-copy-none-none-random-22222222"


def settings_of(folder: Path, *configs: dict[str, Any]) -> list[Setting]:
    """Write one run for each config and return their settings."""
    runs = [
        toy_record(
            folder / f"digits-lenet_300_100-x-0.2-y-z-{number:08d}" / "seed_0", canonical=entry
        )
        for number, entry in enumerate(configs)
    ]
    return group_runs(runs)[0]
