"""The checks of a report: reasons to doubt its results, in sentences."""

from collections.abc import Sequence

from lottery.record.score import ACCURACY
from lottery.report.read.groups import by_score
from lottery.report.read.roles import (
    RANDOM_PRUNING,
    RANDOM_REINIT,
    RANDOM_TICKET,
    STATIC,
    is_same_training,
)
from lottery.report.read.settings import Setting, with_own_masks
from lottery.report.words.controls import JudgedControl
from lottery.report.words.moved import hardly_moved
from lottery.report.words.published import FAR_BELOW, far_below_paper, published_dense
from lottery.report.words.rounds import judged_text
from lottery.report.words.scores import describe_gain, format_margin, with_unit
from lottery.report.words.table import plural
from lottery.report.words.verdicts import BEATS, TOO_FEW

MAX_SENTENCES = 8  # of one check

# For each control: what a ticket does not show unless it is better than the control
MEANINGS = {
    RANDOM_REINIT: "its initial weights matter, as they must for a winning ticket",
    RANDOM_TICKET: "it matters which of the weights were kept",
    RANDOM_PRUNING: "its criterion is better than chance",
    STATIC: "it matters that its masks move",
}


def run_checks(settings: Sequence[Setting], controls: Sequence[JudgedControl]) -> tuple[str, ...]:
    """Return a sentence for each problem, and a last one that names the checks that passed.

    Every setting must have a finished round.
    """
    known = [one for one in controls if _meaning(one) and set(one.verdicts) != {TOO_FEW}]
    static = [one for one in known if one.comparison.role.startswith(STATIC)]
    judged = [one for one in known if one not in static]
    accuracies = by_score(settings).get(ACCURACY, [])
    published = [setting for setting in accuracies if published_dense(setting.config)]
    pruned = [setting for setting in with_own_masks(settings) if max(setting.values("test")) > 0]
    validated = [setting for setting in settings if setting.has_validation]
    papers = f"every dense network is at most {FAR_BELOW} points below its paper's"
    es = "the early-stopping step (ES) is before the last step"
    checks = (  # what is true if there are no problems, what is checked, problems
        ("every ticket is better than its controls", judged, _not_better(judged)),
        ("masks that move are better than masks that stay", static, _not_better(static)),
        ("masks that move have moved", *hardly_moved(settings)),
        ("no layer is empty", pruned, _collapsed(pruned)),
        (papers, published, far_below_paper(published)),
        (es, validated, _still_falling(validated)),
    )
    lines = [line for _, _, problems in checks for line in _shortened(problems)]
    lines += [*_coarse(settings), *_same_trainings(settings)]
    passed = [name for name, checked, problems in checks if checked and not problems]
    return (*lines, f"Passed: {'; '.join(passed)}.") if passed else tuple(lines)


def _shortened(problems: Sequence[str]) -> list[str]:
    more = len(problems) - MAX_SENTENCES
    rest = [f"{plural(more, 'more setting')} with the same problem."] if more > 0 else []
    return [*problems[:MAX_SENTENCES], *rest]


def _meaning(control: JudgedControl) -> str | None:
    role = control.comparison.role  # also "random pruning at init"
    return next((words for start, words in MEANINGS.items() if role.startswith(start)), None)


def _not_better(controls: Sequence[JudgedControl]) -> list[str]:
    found = []
    for control in controls:
        pair = control.comparison
        ticket, rounds = pair.ticket, []
        for judged, verdict in control.judged:
            if verdict != BEATS:
                gain = describe_gain(ticket.score, judged.summary)
                rounds.append(f"in {judged_text(ticket, judged)} {gain}")
        if rounds:
            found.append(
                f"{ticket.label} is not shown to be better than {pair.control}: "
                f"{', '.join(rounds)}. So it is not shown that {_meaning(control)}."
            )
    return found


def _coarse(settings: Sequence[Setting]) -> list[str]:
    """Return a sentence for each size of a test set of which one example is above the margin."""
    found = {
        f"One test example is {format_margin(setting.score, setting.test_example)}, more than the "
        f"margin of {format_margin(setting.score, setting.margin)} within which a network "
        "matches. So a single example can decide. Choose a larger margin by lottery-report "
        "--margin.": None
        for setting in settings
        if setting.test_example > setting.margin
    }
    return list(found)


def _collapsed(settings: Sequence[Setting]) -> list[str]:
    found = []
    for setting in settings:
        empty = [
            (layer, run.seed, record["row"])
            for run in setting.runs
            for record in run.records
            for layer, counts in record["layers"].items()
            if counts["remaining"] == 0
        ]
        named, total = [], plural(len(setting.runs), "seed")
        for layer in dict.fromkeys(layer for layer, _, _ in empty):
            first = min(row["round"] for name, _, row in empty if name == layer)
            seeds = {seed for name, seed, _ in empty if name == layer}
            named.append(f"{layer} from round {first} on ({len(seeds)} of {total})")
        if named:
            tests = {(seed, row["round"]): row["test"] for _, seed, row in empty}
            found.append(
                f"Layer collapse in {setting.label}: no weight is left in {', '.join(named)}. "
                "Without a shortcut around the empty layer, a network gives the same answer to "
                f"every input. The mean test {setting.score.metric} with an empty layer is "
                f"{with_unit(setting.score, sum(tests.values()) / len(tests))}."
            )
    return found


def _still_falling(settings: Sequence[Setting]) -> list[str]:
    """Return one sentence for all settings, as this problem is common."""
    found = []
    for setting in settings:
        records = [record for run in setting.runs for record in run.records]
        at_end = [
            record["row"]["round"]
            for record in records
            if record["row"]["ES"] == max([e["iteration"] for e in record["history"]], default=-1)
        ]
        if at_end:
            rounds = sorted(set(at_end))
            found.append(
                f"{setting.label} in {len(at_end)} of {len(records)} trainings "
                f"(round{'s' if len(rounds) > 1 else ''} {_spans(rounds)})"
            )
    if not found:
        return []
    more = len(found) - MAX_SENTENCES
    rest = [plural(more, "more setting")] if more > 0 else []
    named = "; ".join([*found[:MAX_SENTENCES], *rest])
    return [
        "The early-stopping step (ES) is the last step, so the validation loss was still falling: "
        f"{named}. These networks were not trained long enough. More iterations may change the "
        "results."
    ]


def _spans(rounds: Sequence[int]) -> str:
    """Write ascending rounds in short, as "0, 2, 3, 5 to 8"."""
    spans: list[list[int]] = []
    for number in rounds:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(f"{s[0]} to {s[-1]}" if len(s) > 2 else ", ".join(map(str, s)) for s in spans)


def _same_trainings(settings: Sequence[Setting]) -> list[str]:
    return [
        f"Two names for the same training: {one.label}; {other.label}. A difference means nothing."
        for number, one in enumerate(settings)
        for other in settings[number + 1 :]
        if is_same_training(one.config, other.config)
    ]
