"""How far masks that move while a round trains have moved, in sentences."""

from collections.abc import Sequence

from lottery.record.schema import Record
from lottery.report.read.settings import Setting

HARDLY = 0.05  # of the weights at the end: fewer that were not there at the start


def hardly_moved(settings: Sequence[Setting]) -> tuple[list[Setting], list[str]]:
    """Return the settings whose masks exchange weights, and a sentence for each that hardly does.

    Masks that only lose weights, such as those of gradual pruning, are left out.
    """
    moving, problems = [], []
    for setting in settings:
        records = [record for run in setting.runs for record in run.records]
        shares = [share for record in records if (share := share_new(record)) is not None]
        if not shares:
            continue
        moving.append(setting)
        mean = sum(shares) / len(shares)
        if mean < HARDLY:
            problems.append(
                f"The masks of {setting.label} hardly moved: {100 * mean:.1f} % of the weights at "
                "the end were not there at the start. It is nearly the training with masks that "
                "stay."
            )
    return moving, problems


def share_new(record: Record) -> float | None:
    """Return the share of the weights at a round's end that its first masks did not have.

    None: its masks stay, or there were more weights at the start.
    """
    checks = record["checks"]
    if not record.get("dynamic") or checks["ones_before"] != checks["ones_after"]:
        return None
    stayed, kept = sum(checks["stayed"].values()), int(checks["ones_after"])
    return float(1 - stayed / max(1, kept))
