"""The tables of an analysis, made from what is kept of its pairs and starts."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lottery.record.files import write_text
from lottery.record.run_dir import StabilityDir
from lottery.record.score import Score
from lottery.record.stability_schema import LineJson, PairJson, StartJson
from lottery.record.text_table import text_table
from lottery.record.typed import read_typed
from lottery.report.read.stability import STABLE_BELOW
from lottery.stability.copies import REPAIR
from lottery.stability.interpolation import error_barrier

Row = dict[str, Any]

TARGET = ["round", "step"]
POINT_COLUMNS = [*TARGET, "pair", "alpha", "split", "loss", "error"]
AVERAGED = [
    "barrier_train",
    "barrier_test",
    "ends_error_train",
    "ends_error_test",
    "l2",
    "angle",
    "l2_from_dense",
    "angle_from_dense",
]
PAIR_COLUMNS = [*TARGET, "pair", "remaining", "batch_norm", *AVERAGED]
UNTRAINED_COLUMNS = [*TARGET, "remaining", "weights", "split", "loss"]  # and the score's name
NORM_NOTE = "BatchNorm statistics are recomputed over the training split at every point."


def barriers(entry: PairJson | LineJson) -> dict[str, float]:
    """Return the error barrier of a line on each split."""
    return {split: error_barrier(errors_of(entry, split)) for split in ("train", "test")}


def write_stability_tables(folder: StabilityDir, score: Score) -> None:
    """Write points.csv, pairs.csv, summary.csv and untrained.csv from all that is there."""
    of_starts = [*UNTRAINED_COLUMNS, score.metric]
    entries = [read_typed(path, PairJson, REPAIR) for path in folder.pair_files()]
    whole = [entry for entry in entries if has_ends(entry)]  # the others were interrupted
    whole.sort(key=lambda entry: (entry["round"], entry["step"], entry["pair"]))
    pairs = pd.DataFrame(list(map(_pair_row, whole)), columns=PAIR_COLUMNS)
    points = [select_values(entry, POINT_COLUMNS, p) for entry in whole for p in entry["points"]]
    starts = [read_typed(path, StartJson, REPAIR) for path in folder.untrained_files()]
    untrained = [select_values(entry, of_starts, p) for entry in starts for p in entry["points"]]
    for path, table in (
        (folder.points_csv, pd.DataFrame(points, columns=POINT_COLUMNS)),
        (folder.untrained_csv, pd.DataFrame(untrained, columns=of_starts)),
        (folder.pairs_csv, pairs),
        (folder.summary_csv, summarise_pairs(pairs)),
    ):
        write_text(path, table.to_csv(index=False, lineterminator="\n"))


def summarise_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per round and step: means over the pairs, and the extremes of the barriers."""
    rows = [
        {
            **dict(zip(TARGET, target, strict=True)),
            "remaining": group["remaining"].iloc[0],
            "batch_norm": group["batch_norm"].iloc[0],
            "pairs": len(group),
            **{name: group[name].mean() for name in AVERAGED},
            **{
                f"{name}_{end}": getattr(group[name], function)()
                for name in ("barrier_train", "barrier_test")
                for end, function in (("lowest", "min"), ("highest", "max"))
            },
        }
        for target, group in pairs.groupby(TARGET)
    ]
    return pd.DataFrame(rows)


def format_summary(folder: StabilityDir, score: Score) -> str:
    """Return the summary and the starts' scores as text: shares in percent and points."""
    summary, untrained = pd.read_csv(folder.summary_csv), pd.read_csv(folder.untrained_csv)
    rows: Any = summary.to_dict("records")
    starts = [_start_row(target, group, score) for target, group in untrained.groupby(TARGET)]
    notes = _instability_notes(score)
    if (summary["batch_norm"] == "recomputed").any():
        notes.append(NORM_NOTE)
    table = as_text([_summary_row(row, score) for row in rows])
    return "\n".join(
        [table, "", *notes, "", "Starts of the rounds, no step trained:", as_text(starts)]
    )


def _instability_notes(score: Score) -> list[str]:
    """Return what the columns mean; nobody has said from where on another score is unstable."""
    if not score.is_share:
        return [
            f"Instability: worst {score.metric} on the line minus the mean of its ends; mean over",
            "the pairs (lowest to highest).",
        ]
    return [
        "Instability: highest error on the line minus the mean of its ends, points; mean over the",
        "pairs (lowest to highest). The report says whether the network is stable: whether the",
        f"interval over the pairs is below {100 * STABLE_BELOW:g} points on test data.",
    ]


def as_text(rows: Sequence[Row]) -> str:
    """Return rows as a table."""
    return text_table(list(rows[0]), [list(row.values()) for row in rows])


def errors_of(entry: PairJson | LineJson, split: str) -> dict[float, float]:
    """Return the error on a split by place on the line."""
    return {p["alpha"]: p["error"] for p in entry["points"] if p["split"] == split}


def has_ends(entry: PairJson | LineJson) -> bool:
    """Return whether both ends of a line are measured."""
    return {0.0, 1.0} <= {point["alpha"] for point in entry["points"]}


def select_values(
    entry: Mapping[str, Any], columns: Sequence[str], point: Mapping[str, Any]
) -> Row:
    """Return a row: values of a point, and of its entry for what the point lacks."""
    return {name: point[name] if name in point else entry[name] for name in columns}


def _pair_row(entry: PairJson) -> Row:
    by_split, from_dense = barriers(entry), entry.get("from_dense", {})
    ends = {split: errors_of(entry, split) for split in by_split}
    return {
        **{name: value for name, value in entry.items() if name in PAIR_COLUMNS},
        **{f"barrier_{split}": barrier for split, barrier in by_split.items()},
        **{f"ends_error_{split}": (e[0.0] + e[1.0]) / 2 for split, e in ends.items()},
        **entry["distances"],
        **{f"{name}_from_dense": from_dense.get(name) for name in ("l2", "angle")},
    }


def _summary_row(row: Row, score: Score) -> Row:
    error = "error at ends %" if score.is_share else f"{score.metric} at ends"
    return {
        "round": row["round"],
        "remaining %": f"{100 * row['remaining']:.2f}",
        "step": row["step"],
        "pairs": row["pairs"],
        error: score.format(row["ends_error_test"]),
        "train instability": _spread(row, "barrier_train", score),
        "test instability": _spread(row, "barrier_test", score),
        "L2": f"{row['l2']:.2f}",
        "angle": f"{row['angle']:.1f}",
        "L2 from dense": _number(row["l2_from_dense"], 2),
        "angle from dense": _number(row["angle_from_dense"], 1),
    }


def _spread(row: Row, name: str, score: Score) -> str:
    mean, low, high = (score.format(row[name + end]) for end in ("", "_lowest", "_highest"))
    return f"{mean} ({low} to {high})"


def _number(value: float, decimals: int) -> str:
    return "-" if value != value else f"{value:.{decimals}f}"


def _start_row(target: Any, group: pd.DataFrame, score: Score) -> Row:
    scores = group.set_index(["weights", "split"])[score.metric]
    return {
        **dict(zip(TARGET, target, strict=True)),
        "remaining %": f"{100 * group['remaining'].iloc[0]:.2f}",
        **{
            f"{weights} {split} {score.unit}".rstrip(): score.format(scores[weights, split])
            for weights in ("masked", "dense")
            for split in ("train", "test")
        },
    }
