"""The sentences and the table of compared masks: all layers together."""

from collections.abc import Mapping, Sequence
from typing import Any

from lottery.record.text_table import format_percent
from lottery.report.read.labels import capital
from lottery.report.read.masks import ComparedMasks
from lottery.report.words.summary_text import Answer
from lottery.report.words.table import NONE, Table, plural

Row = Mapping[Any, Any]  # of compare.csv

MAX_COMPARISONS = 6  # that get sentences; the tables have all
MAX_PAIRS = 8  # of a comparison
SEE_TABLE = "See the table of compared masks"
MANY_ROWS = 30  # from here on the table is folded
NOTES = (
    "Overlap: intersection over union of the masks; chance: as many weights of each layer at "
    "random, with the standard deviation.",
    "Signs and magnitudes: of the weights that both keep; equal signs by chance: 50 %.",
)
SIGNS = {"same_start_signs": "before", "same_final_signs": "after"}


def masks_answers(found: Sequence[ComparedMasks]) -> list[Answer]:
    """Write a sentence for each pair of runs, in the last round that was compared."""
    answers = [
        Answer(_heading(masks, found), tuple(_sentences(masks)))
        for masks in found[:MAX_COMPARISONS]
    ]
    if more := len(found) - len(answers):
        answers.append(Answer(plural(more, "more comparison"), (f"{SEE_TABLE}.",)))
    return answers


def masks_tables(found: Sequence[ComparedMasks]) -> list[Table]:
    """Make a table of all pairs of networks for each comparison."""
    return [_table(masks, _heading(masks, found)) for masks in found]


def _heading(masks: ComparedMasks, found: Sequence[ComparedMasks]) -> str:
    return f"Masks compared ({masks.name})" if len(found) > 1 else "Masks compared"


def _sentences(masks: ComparedMasks) -> list[str]:
    last: dict[tuple[str, str], Row] = {}
    for row in masks.pairs.to_dict("records"):
        pair = row["first"], row["second"]
        if pair not in last or row["second_round"] > last[pair]["second_round"]:
            last[pair] = row
    sentences = [_sentence(row) for row in last.values()]
    if more := len(sentences[MAX_PAIRS:]):
        sentences[MAX_PAIRS:] = [f"{plural(more, 'more pair')}: {SEE_TABLE.lower()}."]
    return sentences


def _table(masks: ComparedMasks, heading: str) -> Table:
    rows = masks.pairs.to_dict("records")
    runs = [f"{label} is {name}" for label, name in masks.names_by_label.items()] or masks.runs
    notes = [f"{capital(note)}." for note in masks.notes]
    caption = " ".join([f"In compare/{masks.name}: {'; '.join(runs)}.", *NOTES, *notes])
    return Table(heading, tuple(map(pair_cells, rows)), caption, folded=len(rows) >= MANY_ROWS)


def pair_cells(row: Row) -> dict[str, str]:
    """Return the cells of a pair of networks by column."""
    chance, sd = (format_percent(row[f"overlap_chance{end}"]) for end in ("", "_sd"))
    return {
        "first": f"{row['first']}, round {row['first_round']}",
        "second": f"{row['second']}, round {row['second_round']}",
        "remaining %": _remaining(row),
        "overlap %": format_percent(row["overlap"]),
        "chance %": f"{chance} ± {sd}",
        "Hamming %": format_percent(row["hamming"]),
        "equal signs at start %": format_percent(row["same_start_signs"]),
        "at end %": format_percent(row["same_final_signs"]),
        "magnitudes r": _correlation(row) or NONE,
    }


def _sentence(row: Row) -> str:
    """Write what the networks of a pair share; what is not known is left out."""
    parts = [f"{_names(row)} ({_remaining(row)} % of the weights left): {_overlap(row)}"]
    signs = [
        f"{format_percent(row[column])} % {when} training"
        for column, when in SIGNS.items()
        if row[column] == row[column]
    ]
    if signs:
        equal = f"{' and '.join(signs)} have equal signs"
        parts.append(f"of the weights that both keep, {equal} (by chance 50 %)")
    if correlation := _correlation(row):
        parts.append(f"the correlation of their magnitudes is {correlation}")
    return f"{'; '.join(parts)}."


def _names(row: Row) -> str:
    first, second = row["first_round"], row["second_round"]
    if first == second:
        return f"{row['first']} and {row['second']}, round {first}"
    return f"{row['first']}, rounds {first} and {second}"  # one run, with itself


def _overlap(row: Row) -> str:
    """Compare with chance, save where the overlap says nothing about single weights."""
    overlap, both = format_percent(row["overlap"]), row["both_kept"]
    first, second = row["first_kept"], row["second_kept"]
    if first == second == both:
        return "the masks are equal"
    if both == min(first, second):
        return (
            f"one mask lies in the other, and their overlap of {overlap} % is the ratio of sizes"
        )
    chance, sd = (format_percent(row[f"overlap_chance{end}"]) for end in ("", "_sd"))
    return f"the masks overlap by {overlap} %, and chance would give {chance} ± {sd} %"


def _remaining(row: Row) -> str:
    """Write the share of weights left; of both networks if they differ."""
    kept = dict.fromkeys((row["first_kept"], row["second_kept"]))
    return " and ".join(format_percent(count / row["weights"]) for count in kept)


def _correlation(row: Row) -> str:
    r = row["magnitude_correlation"]
    return "" if r != r else f"{r:.3f}"
