"""The checks of a report: what speaks against believing its results, in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.report.layers import with_own_masks
from lottery.report.published import FAR_UNDER, far_under_paper, published_of
from lottery.report.roles import RANDOM_PRUNING, RANDOM_REINIT, RANDOM_TICKET, is_same_training
from lottery.report.settings import Setting
from lottery.report.tables import format_difference
from lottery.report.ticket_vs_controls import Comparison
from lottery.report.verdicts import BEATS, TOO_FEW, judge

MAX_SENTENCES = 8  # of one check
PAPERS = f"dense networks are at most {FAR_UNDER} points under their papers'"

# What a ticket that is no better than one of these controls does not show
MEANINGS = {
    RANDOM_REINIT: "its initial weights matter, as those of a winning ticket must",
    RANDOM_TICKET: "it matters which of the weights were kept",
    RANDOM_PRUNING: "its criterion is better than chance",
}


@dataclass(frozen=True)
class Check:
    """One question to the results."""

    well: str  # what is true where nothing is found
    looked_at: bool  # whether there is anything that could be wrong
    found: Sequence[str] = ()


def run_checks(settings: Sequence[Setting], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """What was found, and at last what was looked at and found well.

    Args:
        settings: those that have a finished round.
        comparisons: tickets with their controls.
    """
    judged = [pair for pair in comparisons if _meaning(pair) and _verdicts(pair)]
    known = [setting for setting in settings if published_of(setting.config)]
    pruned = [setting for setting in with_own_masks(settings) if max(setting.values("test")) > 0]
    checks = (
        Check("tickets are better than their controls", bool(judged), _not_better(judged)),
        Check("no layer is empty", bool(pruned), _collapsed(pruned)),
        Check(PAPERS, bool(known), far_under_paper(known)),
        Check("ES lies before the last step", bool(settings), _still_falling(settings)),
    )
    lines = [line for check in checks for line in _shortened(check.found)]
    lines += _same_trainings(settings)
    well = [check.well for check in checks if check.looked_at and not check.found]
    return (*lines, *([f"Checked and found well: {'; '.join(well)}."] if well else []))


def _shortened(found: Sequence[str]) -> list[str]:
    more = len(found) - MAX_SENTENCES
    return [*found[:MAX_SENTENCES], *([f"The same of {more} more settings."] if more > 0 else [])]


def _meaning(pair: Comparison) -> str | None:
    role = pair.control.role  # also "random pruning at init"
    return next((words for start, words in MEANINGS.items() if role.startswith(start)), None)


def _verdicts(pair: Comparison) -> dict[int, str]:
    """The verdict in each judged round that has enough seeds for one."""
    found = {n: judge(list(pair.differences[n].values())) for n in pair.judged_rounds}
    return {number: verdict for number, verdict in found.items() if verdict != TOO_FEW}


def _not_better(pairs: Sequence[Comparison]) -> list[str]:
    found = []
    for pair in pairs:
        remaining, summaries = pair.ticket.means("remaining"), pair.summaries
        said = [
            f"in round {number} ({100 * remaining[number]:.1f} % of the weights) "
            f"{format_difference(summaries[number])}"
            for number, verdict in _verdicts(pair).items()
            if verdict != BEATS
        ]
        if said:
            found.append(
                f"Not shown to be better than {pair.control.label}: {pair.ticket.label}, "
                f"{', '.join(said)}. So nothing there shows that {_meaning(pair)}."
            )
    return found


def _collapsed(settings: Sequence[Setting]) -> list[str]:
    found = []
    for setting in settings:
        first: dict[str, dict[int, int]] = {}  # layer -> seed -> its first round without weights
        tests = []
        for run in setting.runs:
            for record in run.records:
                row, layers = record["row"], record["layers"]
                empty = [name for name, counts in layers.items() if counts["remaining"] == 0]
                tests += [row["test"]] if empty else []
                for name in empty:
                    first.setdefault(name, {}).setdefault(run.seed, row["round"])
        if first:
            said = [
                f"{layer} from round {min(seeds.values())} on ({_of_seeds(len(seeds), setting)})"
                for layer, seeds in first.items()
            ]
            found.append(
                f"Layer collapse in {setting.label}: no weight is left of {', '.join(said)}. "
                "Unless a shortcut leads around an empty layer, a network gives every input the "
                f"same answer; test accuracy is {100 * sum(tests) / len(tests):.2f} % in the mean."
            )
    return found


def _of_seeds(count: int, setting: Setting) -> str:
    return f"{count} of {len(setting.runs)} seeds" if len(setting.runs) > 1 else "1 seed"


def _still_falling(settings: Sequence[Setting]) -> list[str]:
    """One sentence for all, as it is common."""
    found = []
    for setting in settings:
        at_end = [
            record["row"]["round"]
            for run in setting.runs
            for record in run.records
            if record["row"]["ES"]
            == max((e["iteration"] for e in record["history"]), default=None)
        ]
        if at_end:
            rounds, trainings = sorted(set(at_end)), sum(len(run.records) for run in setting.runs)
            found.append(
                f"{setting.label} in {len(at_end)} of {trainings} trainings "
                f"(round{'s' if len(rounds) > 1 else ''} {format_rounds(rounds)})"
            )
    if not found:
        return []
    more = len(found) - MAX_SENTENCES
    named = "; ".join(found[:MAX_SENTENCES]) + (f"; {more} more settings" if more > 0 else "")
    return [
        f"ES is the last step, so the validation loss was still falling: {named}. These networks "
        "were not trained long enough; more iterations may change what is said of them."
    ]


def format_rounds(rounds: Sequence[int]) -> str:
    """Ascending rounds in short.

    Example:
        >>> format_rounds([0, 2, 3, 5, 6, 7, 8])
        '0, 2, 3, 5 to 8'
    """
    spans: list[list[int]] = []
    for number in rounds:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    said = (f"{s[0]} to {s[-1]}" if len(s) > 2 else ", ".join(map(str, s)) for s in spans)
    return ", ".join(said)


def _same_trainings(settings: Sequence[Setting]) -> list[str]:
    return [
        f"The same training by construction, whatever their names: {one.label}; {other.label}. No "
        "difference between them means anything."
        for number, one in enumerate(settings)
        for other in settings[number + 1 :]
        if is_same_training(one.config, other.config)
    ]
