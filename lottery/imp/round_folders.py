"""Whole round folders: linked, rid of weights that nothing needs."""

import logging
from collections.abc import Sequence

from lottery.record.opened_run import OpenedRun
from lottery.record.records import write_links
from lottery.record.rows import winning_round
from lottery.record.run_dir import RunDir
from lottery.record.schema import Row
from lottery.record.score import Score
from lottery.tensors import digest, load_of_run

log = logging.getLogger(__name__)


def link_older_rounds(run_dir: RunDir) -> None:
    """Link the rounds whose records have no links; their files are believed as they are."""
    run = OpenedRun(run_dir)
    numbers = run.unlinked_rounds
    for number in numbers:
        write_links(run_dir, run.record(number), digests_of_files(run, number))
    if numbers:
        log.warning(
            "an older version of lottery made round %s: its files are taken as they are, and "
            "linked to the run from now on",
            ", ".join(map(str, numbers)),
        )


def digests_of_files(run: OpenedRun, number: int) -> dict[str, str]:
    """Read all tensor files of a finished round; return their digests by name.

    Files that the record does not name are left out.
    """
    folder = run.folder.round(number)
    links = run.record(number).get("links")
    names = links["files"] if links else {file.name for file in folder.path.glob("*.safetensors")}
    digests = {}
    for name in sorted(names):
        tensors = load_of_run(run, folder.path / name)
        digests[name] = links["files"][name] if links else digest(tensors)
    return digests


def drop_unneeded(run_dir: RunDir, rows: Sequence[Row], score: Score) -> None:
    """Drop the weights that neither the winning round nor later work needs.

    Tickets start from round 0, and other runs copy it. A round that is not finished prunes the
    weights of the round before it. All masks and records stay.
    """
    finished = {row["round"] for row in rows}
    last = {number for number in finished if number + 1 not in finished}
    for number in finished - last - {0, winning_round(rows, score)}:
        folder = run_dir.round(number)
        for file in (folder.start, folder.es, folder.final, folder.final_optimizer):
            file.unlink(missing_ok=True)
