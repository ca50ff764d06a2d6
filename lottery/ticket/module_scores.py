"""The test scores of a LightningModule's ticket, measured by its own `test_step` and data."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytorch_lightning as pl

from lottery.config.groups import Metrics, read_group
from lottery.config.module import metric_names, seeded_datamodule
from lottery.ticket.ticket import Ticket
from lottery.training import Device
from lottery.training.device import quiet
from lottery.training.native.loops import Loops
from lottery.training.native.trainer import FIND_UNUSED, make_trainer

# Only the test's: its random numbers are seeded, and those of a validation follow a training's.
COLUMNS = {"test": "es", "test_last": "final"}  # of results.csv, and the weights they belong to


def measure_module(ticket: Ticket, accelerator: str) -> dict[str, float]:
    """Return the test scores by column of results.csv, on one device."""
    loops = ticket.loops
    assert loops is not None
    names = metric_names(read_group(Metrics, loops["metrics"], "metrics"))
    split_seed = ticket.settings()[1].split_seed
    device = Device(
        accelerator=accelerator,
        precision=ticket.entry["precision"],
        deterministic=ticket.entry["deterministic"] is True,
        compile=False,
        block=1,
    )
    options = {name: value for name, value in loops["lightning"].items() if name != FIND_UNUSED}
    values = {}
    for column, weights in COLUMNS.items():
        module = ticket.trained(weights)
        assert isinstance(module, pl.LightningModule)
        with TemporaryDirectory() as folder, quiet():
            here = Loops(
                trainer=make_trainer(device, options, folder=Path(folder)),
                module=module,
                datamodule=seeded_datamodule(loops["datamodule"], split_seed),
                names=names,
                split_seed=split_seed,
            )
            values[column] = here.test()[names.test]
    return values
