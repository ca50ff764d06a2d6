"""The tables of lines between the ends of rounds, made from what is kept of them."""

from typing import Any

import pandas as pd

from lottery.record.files import write_text
from lottery.record.run_dir import StabilityDir
from lottery.record.score import Score
from lottery.record.stability_schema import LineJson
from lottery.record.typed import read_typed
from lottery.report.read.stability import STABLE_BELOW
from lottery.stability.copies import REPAIR
from lottery.stability.tables import Row, as_text, barriers, errors_of, has_ends, select_values

LINE = ["round", "other", "other_round", "align"]
POINT_COLUMNS = [*LINE, "alpha", "split", "loss", "error"]
LINE_COLUMNS = [
    *(*LINE, "remaining", "other_remaining", "batch_norm", "barrier_train", "barrier_test"),
    *("error_train", "error_test", "other_error_train", "other_error_test", "l2", "angle"),
]


def write_line_tables(folder: StabilityDir) -> None:
    """Write lines.csv and line_points.csv from all lines that are there."""
    entries = [read_typed(path, LineJson, REPAIR) for path in folder.line_files()]
    whole = [entry for entry in entries if has_ends(entry)]  # the others were interrupted
    whole.sort(key=_place_in_table)
    points = [select_values(entry, POINT_COLUMNS, p) for entry in whole for p in entry["points"]]
    for path, table in (
        (folder.lines_csv, pd.DataFrame(list(map(_row, whole)), columns=LINE_COLUMNS)),
        (folder.line_points_csv, pd.DataFrame(points, columns=POINT_COLUMNS)),
    ):
        write_text(path, table.to_csv(index=False, lineterminator="\n"))


def format_lines(folder: StabilityDir, score: Score) -> str:
    """Return the lines as text: shares in percent and points."""
    table = pd.read_csv(folder.lines_csv, dtype={"other": "str"}, keep_default_na=False)
    rows: Any = table.to_dict("records")
    setting = f"{folder.path.parents[1].name}-"  # that another seed of it need not name again
    notes = _barrier_notes(score)
    if any(row["batch_norm"] == "recomputed" for row in rows):
        notes.append("BatchNorm statistics are recomputed over the training split at every point.")
    return "\n".join([as_text([_shown(row, setting, score) for row in rows]), "", *notes])


def _barrier_notes(score: Score) -> list[str]:
    """Return what the columns mean; nobody has said from where on another score is a barrier."""
    if not score.is_share:
        return [f"Barrier: worst {score.metric} on the line minus the mean of its ends."]
    return [
        "Barrier: highest error on the line minus the mean of its ends, points. Connected: below",
        f"{100 * STABLE_BELOW:g} points on test data.",
    ]


def _place_in_table(entry: LineJson) -> tuple[str, str, int, int]:
    return entry["other"], entry["align"], entry["round"], entry["other_round"]


def _row(entry: LineJson) -> Row:
    ends = {split: errors_of(entry, split) for split in ("train", "test")}
    return {
        **{name: value for name, value in entry.items() if name in LINE_COLUMNS},
        **{f"barrier_{split}": barrier for split, barrier in barriers(entry).items()},
        **{f"error_{split}": errors[0.0] for split, errors in ends.items()},
        **{f"other_error_{split}": errors[1.0] for split, errors in ends.items()},
        **entry["distances"],
    }


def _shown(row: Row, setting: str, score: Score) -> Row:
    connected = "yes" if row["barrier_test"] < STABLE_BELOW else "no"
    error, unit = ("error", " %") if score.is_share else (score.metric, "")
    return {
        "from": f"round {row['round']}",
        "to": f"{row['other'].removeprefix(setting)} round {row['other_round']}".strip(),
        "aligned by": "-" if row["align"] == "none" else row["align"],
        "remaining %": f"{100 * row['remaining']:.2f}",
        "there %": f"{100 * row['other_remaining']:.2f}",
        f"{error}{unit}": score.format(row["error_test"]),
        f"{error} there{unit}": score.format(row["other_error_test"]),
        "train barrier": score.format(row["barrier_train"]),
        "test barrier": score.format(row["barrier_test"]),
        **({"connected": connected} if score.is_share else {}),
        "L2": f"{row['l2']:.2f}",
        "angle": f"{row['angle']:.1f}",
    }
