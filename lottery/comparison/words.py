"""A comparison as text, for a terminal: all layers together."""

from collections.abc import Mapping
from typing import Any

from lottery.comparison.compare import Comparison
from lottery.comparison.tables import ALL
from lottery.record.text_table import format_percent, text_table

Row = Mapping[Any, Any]

NOTES = (
    "Overlap: intersection over union of the masks; chance: as many weights of each layer at "
    "random, with the standard deviation.",
    "Signs and magnitudes: of the weights that both keep; equal signs by chance: 50 %.",
)


def format_comparison(comparison: Comparison) -> str:
    """Return both tables in percent, and what they mean."""
    pairs, networks = (
        table[table["layer"] == ALL].to_dict("records")
        for table in (comparison.pairs, comparison.networks)
    )
    tables = [[_pair_row(row) for row in pairs], [_network_row(row) for row in networks]]
    first, second = (text_table(list(t[0]), [list(row.values()) for row in t]) for t in tables)
    return "\n".join([first, "", *NOTES, "", second, *comparison.notes])


def _pair_row(row: Row) -> dict[str, str]:
    chance, sd = (format_percent(row[f"overlap_chance{end}"]) for end in ("", "_sd"))
    return {
        "first": _name(row, "first"),
        "second": _name(row, "second"),
        "overlap %": format_percent(row["overlap"]),
        "chance %": f"{chance} ± {sd}",
        "Hamming %": format_percent(row["hamming"]),
        "equal signs at start %": format_percent(row["same_start_signs"]),
        "at end %": format_percent(row["same_final_signs"]),
        "magnitudes r": _number(row["magnitude_correlation"]),
    }


def _network_row(row: Row) -> dict[str, str]:
    return {
        "network": f"{row['run']}, round {row['round']}"
        if row["run"]
        else f"round {row['round']}",
        "remaining %": format_percent(row["density"]),
        "on a path %": format_percent(row["effective_density"]),
        "signs flipped %": format_percent(row["flips_from_initial"]),
        "empty units %": format_percent(row["empty_units"]),
        "dead units %": format_percent(row["dead_units"]),
        "fan-in": f"{row['fan_in_min']} to {row['fan_in_max']}, median {row['fan_in_median']:g}",
    }


def _name(row: Row, which: str) -> str:
    return f"{row[which]}, round {row[f'{which}_round']}"


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
