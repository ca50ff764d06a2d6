"""Whole round folders: one is copied from another run, weights that nothing needs are dropped."""

import logging
import shutil
from collections.abc import Sequence

from lottery.record.files import replacing
from lottery.record.rows import winning_round
from lottery.record.run_dir import RunDir
from lottery.record.schema import Row

log = logging.getLogger(__name__)


def copy_dense_round(trunk: RunDir, run_dir: RunDir) -> None:
    """Copy the files of the trunk's round 0; the record comes last, because it ends the round."""
    source, target = trunk.round(0), run_dir.round(0)
    for file in sorted(source.path.iterdir(), key=lambda path: path == source.record):
        if not file.name.startswith("."):
            with replacing(target.path / file.name) as aside:
                shutil.copyfile(file, aside)
    log.info("round 0: taken from %s", trunk.path)


def drop_unneeded(run_dir: RunDir, rows: Sequence[Row]) -> None:
    """Drop the weights that neither the winning round nor later work needs.

    Tickets start from round 0, and other runs copy it. A round that is not finished prunes the
    weights of the round before it. All masks and records stay.
    """
    finished = {row["round"] for row in rows}
    last = {number for number in finished if number + 1 not in finished}
    for number in finished - last - {0, winning_round(rows)}:
        folder = run_dir.round(number)
        for file in (folder.start, folder.es, folder.final, folder.final_optimizer):
            file.unlink(missing_ok=True)
