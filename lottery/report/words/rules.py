"""The rules of the written answer, as a report states them.

docs/explanations/statistics.md explains them.
"""

from collections.abc import Sequence

from lottery.report.read.groups import by_score
from lottery.report.read.pairing import ENOUGH_SEEDS
from lottery.report.read.roles import has_dynamic
from lottery.report.read.settings import Setting
from lottery.report.words.rounds import enumerate_words
from lottery.report.words.scores import format_margin
from lottery.report.words.verdicts import TOO_FEW


def rules(settings: Sequence[Setting]) -> tuple[str, ...]:
    """Return the rules, with the margins of these settings."""
    moving = (
        "Of masks that move while a round trains, ES is looked for from the step on from which "
        "they stay (dynamic.end): so a score is of the masks that the round ends with. ES then "
        "says nothing about how fast a network learns.",
    )
    return (
        "All numbers are test scores at the early-stopping step (ES), the step with the lowest "
        "validation loss. Differences are paired by seed. If some seeds have fewer rounds, only "
        "seeds that have all compared rounds are compared.",
        "Validation data choose the rounds, test data never do. The best pruned round has the "
        "best mean validation score; of equal rounds it is the one with the fewest weights. Each "
        "seed is judged in the round that is best by the other seeds' validation, so that no "
        "seed's luck chooses its round.",
        "Intervals are 95 % confidence intervals of the mean (Student's t). They are about what "
        "differs between the seeds: initial weights, the order of the data, random draws. The "
        "split of the data and the test set are the same for all seeds, so the intervals say "
        "nothing about other splits or other data.",
        f"Matches: the whole interval is above minus the margin. The margin is "
        f"{_margins(settings)} (lottery-report --margin).",
        "Beats: the whole interval is above 0. Is behind: the whole interval is below 0 and "
        "reaches below minus the margin. Undecided: neither.",
        f"Fewer than {ENOUGH_SEEDS} seeds: {TOO_FEW}.",
        "A ticket and a control are compared at equal sparsity, in the best rounds of those that "
        "both have and in the last round that both have. Draws of one control count as their "
        "mean. As these are several tests of one ticket, beats and is behind also need a p-value "
        "below 5 % after Holm's correction over all controls and rounds.",
        *_without_validation(settings),
        "A winning ticket matches the dense network and beats random reinit, in its best rounds.",
        "Learns faster: the interval of the ratio of the ES is below 1. ES is pooled over the "
        "best round and its two neighbours; the ratio is a geometric mean over the seeds.",
        *(moving if any(has_dynamic(setting.config) for setting in settings) else ()),
    )


def _without_validation(settings: Sequence[Setting]) -> list[str]:
    if all(setting.has_validation for setting in settings):
        return []
    return [
        "Without validation data (dataset.val_share=0) nothing is chosen: ES is the last step, "
        "the last round is judged, and which network learns faster is not."
    ]


def _margins(settings: Sequence[Setting]) -> str:
    margins = {
        format_margin(score, setting.margin)
        for score, group in by_score(settings).items()
        for setting in group
    }
    return enumerate_words(sorted(margins)) if margins else "not known"
