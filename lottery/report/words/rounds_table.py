"""The table of a setting's rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lottery.record.score import ACCURACY, Score
from lottery.report.read.settings import Setting
from lottery.report.words.scores import column
from lottery.report.words.table import NONE, Table, format_number

# Header, column of results.csv or timing.csv, factor, decimals
ROUND_COLUMNS = (
    ("remaining %", "remaining", 100, 2),
    ("parameters", "params_remaining", 1, 0),
    ("FLOPs", "flops_remaining", 1, 0),
    ("dense trainings", "dense_trainings", 1, 2),
    ("ES", "ES", 1, 0),
    ("val F1 %", "val_f1", 100, 2),
    ("F1 %", "f1", 100, 2),
    ("precision %", "precision", 100, 2),
    ("recall %", "recall", 100, 2),
    ("train s", "train_seconds", 1, 1),
    ("steps/s", "steps_per_second", 1, 0),
    ("inference ms", "inference_ms", 1, 5),
    ("peak MB", "peak_memory_mb", 1, 0),
)
SCORES = (("val", "val"), ("test", "test"), ("test_last", "test at end"))  # they follow ES
AT_ES = "measured at the early-stopping step (ES), on the test set unless the column says 'val'"
AVERAGES = "macro averages; with two classes they are those of class 1"


def rounds_table(setting: Setting, title: str) -> Table:
    """Make the table of a setting's rounds, as means over the seeds."""
    columns = [
        (entry, setting.means(entry.column))
        for entry in _round_columns(setting.score, setting.further_metrics)
    ]
    score, tests = setting.score, setting.summaries("test")
    winner = setting.best_pruned_round() if setting.has_validation else None
    several = len(setting.runs) > 1
    rows = []
    for number, seeds in setting.values("remaining").items():
        row = {"round": f"{number} (best)" if number == winner else str(number)}
        if several:
            row["seeds"] = str(len(seeds))
        row |= {entry.header: entry.write(means.get(number)) for entry, means in columns if means}
        if several and (test := tests.get(number)):
            words = f"{score.format(test.lowest)} to {score.format(test.highest)}"
            row[column(score, "test, lowest to highest")] = words
        rows.append(row)
    return Table(title, tuple(rows), _rounds_caption(setting, several=several))


@dataclass(frozen=True)
class _Column:
    """A column of the table of rounds."""

    header: str
    column: str  # of results.csv or timing.csv
    write: Callable[[float | None], str]


def _round_columns(score: Score, further_metrics: Sequence[str]) -> list[_Column]:
    """Return the columns: sizes and ES, the scores, further metrics, then the others."""
    found = [_Column(column(score, words), name, score.format) for name, words in SCORES]
    others = [
        _Column(header, name, partial(format_number, decimals=decimals, factor=factor))
        for header, name, factor, decimals in ROUND_COLUMNS
    ]
    start = [entry.column for entry in others].index("ES") + 1
    further = [_Column(name.replace("_", " "), name, _format_further) for name in further_metrics]
    return [*others[:start], *found, *further, *others[start:]]


def _format_further(value: float | None) -> str:
    """Write a metric of the user's or of the task, which may be a share or not."""
    return NONE if value is None else f"{value:.4g}"


def _rounds_caption(setting: Setting, *, several: bool) -> str:
    averages = bool(setting.values("f1"))
    measured = {ACCURACY: "Accuracies"}.get(setting.score, setting.score.metric)
    if averages:
        caption = f"{measured}, F1, precision and recall are {AT_ES}. F1, precision and recall "
        caption += f"are {AVERAGES}."
    else:
        caption = f"{measured} is {AT_ES}."
    return caption + (
        " The numbers are means over the seeds that have the round." if several else ""
    )
