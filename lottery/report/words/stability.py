"""The table of stability analyses."""

from collections.abc import Sequence

from lottery.record.score import Score
from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.stability import STABLE_BELOW, AnalysedStep, batch_norm_note
from lottery.report.read.statistics import Summary
from lottery.report.words.scores import column
from lottery.report.words.table import NONE, Table, format_percent
from lottery.report.words.verdicts import TOO_FEW, UNDECIDED

CAPTION = (
    "Means over the pairs of one seed (lowest to highest), or, of several seeds, over the seeds' "
    "means. Stable (of shares): the 95 % confidence interval of the test instability is below "
    f"{100 * STABLE_BELOW:g} points; of one seed it is that of its pairs, and says nothing about "
    "other seeds. Instability is the highest error on the line minus "
    "the mean error at its ends. L2 and angle are between the two copies. L2 from dense is "
    "between the ticket and the dense network trained in the same data order, under the ticket's "
    "mask. Start is the test score before the first step of the round, with its mask and "
    "without it."
)


def stability_table(steps: Sequence[AnalysedStep], title: str) -> Table:
    """Make the table of analyses of one score, one row per round and step."""
    rows = tuple(({"setting": step.label} if step.label else {}) | _row(step) for step in steps)
    return Table(title, rows, CAPTION + batch_norm_note(steps))


def _row(step: AnalysedStep) -> dict[str, str]:
    score = step.setting.score
    error, points = ("error", "points") if score.is_share else (score.metric, score.metric)
    return {
        "round": str(step.round),
        "remaining %": format_percent(step.remaining),
        "k": str(step.step),
        "seeds": str(len(step.seeds)),
        "pairs": str(len(step.pairs)),
        f"{error} at the ends {score.unit}".rstrip(): score.format(
            step.pairs["ends_error_test"].mean()
        ),
        f"train instability, {points}": _mean_and_range(score, step.barrier("train")),
        f"test instability, {points}": _mean_and_range(score, step.barrier("test")),
        **({"stable": _stable(step)} if score.is_share else {}),
        "L2": _mean(step, "l2"),
        "angle": _mean(step, "angle"),
        "L2 from dense": _mean(step, "l2_from_dense"),
        column(score, "start, masked"): score.format(step.start("masked")),
        column(score, "start, dense"): score.format(step.start("dense")),
    }


def _stable(step: AnalysedStep) -> str:
    barrier = step.barrier("test")
    if barrier.count < ENOUGH_SEEDS:
        return TOO_FEW
    low, high = barrier.interval
    verdict = "yes" if high < STABLE_BELOW else "no" if low > STABLE_BELOW else UNDECIDED
    return verdict if len(step.seeds) > 1 else f"{verdict}, in this seed"


def _mean_and_range(score: Score, summary: Summary) -> str:
    mean, low, high = map(score.format, (summary.mean, summary.lowest, summary.highest))
    return f"{mean} ({low} to {high})"


def _mean(step: AnalysedStep, name: str) -> str:
    mean = step.pairs[name].mean()  # without empty cells
    return NONE if mean != mean else f"{mean:.2f}"
