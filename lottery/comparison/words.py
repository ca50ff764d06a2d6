"""A comparison as text, for a terminal: all layers together."""

from collections.abc import Mapping
from typing import Any

from lottery.comparison.compare import Comparison
from lottery.record.text_table import format_percent, text_table
from lottery.report.read.masks import ALL
from lottery.report.words.masks import NOTES, pair_cells

Row = Mapping[Any, Any]


def format_comparison(comparison: Comparison) -> str:
    """Return both tables in percent, and what they mean."""
    pairs, networks = (
        table[table["layer"] == ALL].to_dict("records")
        for table in (comparison.pairs, comparison.networks)
    )
    tables = [[pair_cells(row) for row in pairs], [_network_row(row) for row in networks]]
    first, second = (text_table(list(t[0]), [list(row.values()) for row in t]) for t in tables)
    return "\n".join([first, "", *NOTES, "", second, *comparison.notes])


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
