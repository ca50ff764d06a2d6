"""The table of stability analyses."""

from collections.abc import Sequence

from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.stability import STABLE_BELOW, AnalysedStep, batch_norm_note
from lottery.report.words.table import NONE, Table, format_mean_and_range, format_percent
from lottery.report.words.verdicts import TOO_FEW, UNDECIDED

CAPTION = (
    "Means over the pairs of one seed (lowest to highest), or, of several seeds, over the seeds' "
    "means. Stable: the 95 % confidence interval of the test instability is below "
    f"{100 * STABLE_BELOW:g} points; of one seed it is that of its pairs, and says nothing about "
    "other seeds. Instability is the highest error on the line minus "
    "the mean error at its ends. L2 and angle are between the two copies. L2 from dense is "
    "between the ticket and the dense network trained in the same data order, under the ticket's "
    "mask. Start is the test accuracy before the first step of the round, with its mask and "
    "without it."
)


def stability_table(steps: Sequence[AnalysedStep]) -> Table:
    """Make the table of analyses, one row per round and step."""
    rows = tuple(({"setting": step.label} if step.label else {}) | _row(step) for step in steps)
    return Table("Stability", rows, CAPTION + batch_norm_note(steps))


def _row(step: AnalysedStep) -> dict[str, str]:
    starts = (
        step.untrained[step.untrained["split"] == "test"].groupby("weights")["accuracy"].mean()
    )
    return {
        "round": str(step.round),
        "remaining %": format_percent(step.remaining),
        "k": str(step.step),
        "seeds": str(len(step.seeds)),
        "pairs": str(len(step.pairs)),
        "error at the ends %": _mean(step, "ends_error_test", 100),
        "train instability, points": format_mean_and_range(step.barrier("train")),
        "test instability, points": format_mean_and_range(step.barrier("test")),
        "stable": _stable(step),
        "L2": _mean(step, "l2"),
        "angle": _mean(step, "angle"),
        "L2 from dense": _mean(step, "l2_from_dense"),
        "start, masked %": format_percent(starts.get("masked")),
        "start, dense %": format_percent(starts.get("dense")),
    }


def _stable(step: AnalysedStep) -> str:
    barrier = step.barrier("test")
    if barrier.count < ENOUGH_SEEDS:
        return TOO_FEW
    low, high = barrier.interval
    verdict = "yes" if high < STABLE_BELOW else "no" if low > STABLE_BELOW else UNDECIDED
    return verdict if len(step.seeds) > 1 else f"{verdict}, in this seed"


def _mean(step: AnalysedStep, column: str, factor: float = 1) -> str:
    mean = step.pairs[column].mean()  # without empty cells
    return NONE if mean != mean else f"{factor * mean:.2f}"
