"""Whole round folders: one taken from another run, and weights dropped that nothing needs."""

import logging
import shutil

from lottery.record.files import replacing
from lottery.record.records import read_records
from lottery.record.rows import winning_round
from lottery.record.run_dir import RunDir

log = logging.getLogger(__name__)


def adopt_dense_round(trunk: RunDir, run_dir: RunDir) -> None:
    """Copy the trunk's round 0, files and record; the record last, as it ends the round."""
    source, target = trunk.round(0), run_dir.round(0)
    for file in sorted(source.path.iterdir(), key=lambda path: path == source.record):
        if not file.name.startswith("."):
            with replacing(target.path / file.name) as aside:
                shutil.copyfile(file, aside)
    log.info("round 0: taken from %s", trunk.path)


def drop_unneeded(run_dir: RunDir) -> None:
    """Drop the weights that neither the winner nor any later work needs.

    Round 0 is what tickets start from and what other runs copy; the weights of a round whose
    next one is still to come are pruned then. Masks and records of all rounds stay.
    """
    finished = set(run_dir.finished_rounds())
    last = {number for number in finished if number + 1 not in finished}
    winner = winning_round([record["row"] for record in read_records(run_dir)])
    for number in finished - last - {0, winner}:
        folder = run_dir.round(number)
        for file in (folder.start, folder.es, folder.final, folder.final_optimizer):
            file.unlink(missing_ok=True)
