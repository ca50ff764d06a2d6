"""The table of test scores at steps that were fixed beforehand, as some papers read them."""

from collections.abc import Sequence

from lottery.report.read.curves import scores_at
from lottery.report.read.pairing import complete
from lottery.report.read.resolution import ROUNDED
from lottery.report.read.settings import Setting
from lottery.report.read.statistics import summarise
from lottery.report.words.scores import column, format_gain, format_interval, gain_column
from lottery.report.words.table import Table, format_percent
from lottery.report.words.verdicts import judge

CAPTION = (
    "Test scores at fixed steps (lottery-report --at) instead of the early-stopping step, each "
    "round against the dense network at the same step. Nothing is chosen. Each row is a test of "
    "its own; the rows are not corrected for being several."
)


def at_steps_table(setting: Setting, steps: Sequence[int], title: str) -> Table:
    """Make the table of a setting at some steps; steps without a test evaluation have no rows."""
    rows = tuple(row for step in steps for row in _rows(setting, step))
    return Table(title, rows, CAPTION)


def missing_steps(settings: Sequence[Setting], steps: Sequence[int]) -> list[str]:
    """Return a note for each step at which no run has evaluated the test set."""
    runs = [run for setting in settings for run in setting.runs]
    return [
        f"No run has a test score at step {step} (--at). Runs with evaluation.test_curve=true "
        "have them at all multiples of evaluation.every, others at the last step."
        for step in steps
        if not any(scores_at(run, step) for run in runs)
    ]


def _rows(setting: Setting, step: int) -> list[dict[str, str]]:
    score, remaining = setting.score, setting.means("remaining")
    by_seed = {run.seed: scores_at(run, step) for run in setting.runs}
    pairs = complete(
        {
            number: {s: found[number] for s, found in by_seed.items() if {0, number} <= set(found)}
            for number in remaining
            if number
        }
    )
    rows = []
    for number, tests in pairs.items():
        dense = {seed: by_seed[seed][0] for seed in tests}
        gain = summarise(
            [score.shown(score.gain(test, dense[seed])) for seed, test in tests.items()],
            least_sd=ROUNDED * setting.test_example,
        )
        rows.append(
            {
                "step": str(step),
                "round": str(number),
                "remaining %": format_percent(remaining[number]),
                "seeds": str(len(tests)),
                column(score, "dense test"): score.format(sum(dense.values()) / len(dense)),
                column(score, "test"): score.format(sum(tests.values()) / len(tests)),
                gain_column(score, "", "dense"): format_gain(score, gain.mean),
                "95 % interval": format_interval(score, gain),
                "verdict": judge(gain, setting.margin),
            }
        )
    return rows
