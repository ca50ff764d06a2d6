"""Read the comparisons of masks that `lottery-compare` has written into the folders of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from lottery.record.files import damaged
from lottery.record.run_dir import CompareDir
from lottery.record.schema import CompareJson
from lottery.record.typed import read_typed
from lottery.report.read.checks import MOST, Bounds, check_numbers
from lottery.report.read.csv_files import read_csv
from lottery.report.read.runs import read_each
from lottery.report.read.settings import Setting

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"  # the layer in the rows of all layers together
REPAIR = "remove its folder and run lottery-compare again"
# The columns that a report needs, with their types
COUNTS = ("weights", "first_kept", "second_kept", "both_kept")
WHOLE = {
    **dict.fromkeys(("first", "second", "layer"), "str"),
    **dict.fromkeys(("first_round", "second_round", *COUNTS), "int64"),
}
OVERLAPS = ("overlap", "overlap_chance", "overlap_chance_sd")
SHARES = ("hamming", "same_start_signs", "same_final_signs")
MAY_BE_EMPTY = dict.fromkeys((*OVERLAPS, *SHARES, "magnitude_correlation"), "float64")
LEAST = 1e-30  # what figures divide by


@dataclass(frozen=True)
class ComparedMasks:
    """A comparison; its runs may be gone, so it has their names only."""

    name: str  # of its folder
    runs: tuple[str, ...]  # name of the setting and seed
    notes: tuple[str, ...]  # why cells are empty
    # The rows of compare.csv for all layers together, and `density`, the share of the weights
    # that the first network keeps
    pairs: "pd.DataFrame"

    @property
    def names_by_label(self) -> dict[str, str]:
        """The runs by the labels that the pairs have; empty if a run was compared with itself."""
        ends = zip(self.pairs["first"], self.pairs["second"], strict=True)
        labels = list(dict.fromkeys(chain.from_iterable(ends)))  # in the order of the runs
        together = len(labels) == len(self.runs)
        return dict(zip(labels, self.runs, strict=True)) if together else {}


def find_compared_masks(settings: Sequence[Setting]) -> tuple[list[ComparedMasks], list[str]]:
    """Return the comparisons in the runs' folders, and one line for each that is damaged."""
    folders = [
        folder
        for setting in settings
        for run in setting.runs
        for folder in run.folder.comparison_folders()
    ]
    return read_each(_read_comparison, folders)


def _read_comparison(folder: CompareDir) -> ComparedMasks:
    try:
        content = read_typed(folder.compare_json, CompareJson, REPAIR)
    except FileNotFoundError as error:
        raise damaged(folder.compare_json, "it is missing", REPAIR) from error
    path = folder.pairs_csv
    table = read_csv(path, whole=WHOLE, may_be_empty=MAY_BE_EMPTY, repair=REPAIR)
    pairs = table[table["layer"] == ALL]
    if pairs.empty:
        raise damaged(path, f"no row of the layer {ALL!r}", REPAIR)
    check_numbers(list(_bounds(pairs)), path, REPAIR)
    return ComparedMasks(
        name=folder.path.name,
        runs=tuple(content["runs"]),
        notes=tuple(content["notes"]),
        pairs=pairs.assign(density=pairs["first_kept"] / pairs["weights"]),
    )


def _bounds(pairs: "pd.DataFrame") -> Iterator[Bounds]:
    for row in pairs.astype(object).where(pairs.notna(), None).to_dict("records"):
        where, weights = f"in round {row['first_round']}", row["weights"]
        both, smaller = row["both_kept"], min(row["first_kept"], row["second_kept"])
        yield f"weights {where}", weights, 1, MOST
        yield f"first_kept {where}", row["first_kept"], 0, weights
        yield f"second_kept {where}", row["second_kept"], 0, weights
        yield f"both_kept {where}", both, 0, smaller
        yield f"overlap {where}", row["overlap"], 0, min(both, 1)
        yield f"overlap_chance {where}", row["overlap_chance"], LEAST if both else 0, 1
        yield f"overlap_chance_sd {where}", row["overlap_chance_sd"], 0, MOST
        yield f"magnitude_correlation {where}", row["magnitude_correlation"], -1, 1
        for name in SHARES:
            yield f"{name} {where}", row[name], 0, 1
