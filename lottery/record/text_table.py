"""Lay out a table as plain text, for a terminal and for a log file."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO

from lottery.errors import escaped

NUMBER = re.compile(r"[-+]?[\d.,]+( %)?|nan|-")
MOST_NAMES = 5
UNLIMITED = 10_000  # characters; a table is never wrapped


def text_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as text: columns of numbers on the right, columns of words on the left.

    Characters that would break a line or command the terminal are shown as escapes.

    Example:
        >>> print(text_table(["round", "test %", ""], [[0, "97.5", ""], [12, "98.0", "best"]]))
        round  test %
            0    97.5
           12    98.0  best
    """
    from rich.console import Console  # 40 ms, which a command's --help need not wait for
    from rich.table import Table

    cells = [[escaped(str(cell)) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column, header in enumerate(columns):
        numbers = all(NUMBER.fullmatch(row[column]) for row in cells)
        table.add_column(escaped(header), justify="right" if numbers else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    out = StringIO()
    console = Console(file=out, width=UNLIMITED, color_system=None, markup=False, emoji=False)
    console.print(table, highlight=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def format_percent(share: float | None) -> str:
    """Return a share in percent with two decimals; "-" for None and NaN."""
    return "-" if share is None or share != share else f"{100 * share:.2f}"


def describe_outside(outside: Mapping[str, int], params: int) -> str:
    """Return a sentence about the parameters that have no mask, or "" if all have one.

    Args:
        outside: their numbers by name, the most first, as in run.json.
        params: number of all parameters.

    Example:
        >>> describe_outside({"embedding.weight": 120, "biases": 10}, 1000)
        '13.0 % of the parameters are never pruned: embedding.weight 12.0 %, biases 1.0 %'
    """
    counts = list(outside.items())
    named, rest = counts[:MOST_NAMES], counts[MOST_NAMES:]
    if rest:
        named.append((f"{len(rest)} others", sum(number for _, number in rest)))
    shares = ", ".join(f"{name} {_share(number, params)}" for name, number in named)
    whole = _share(sum(outside.values()), params)
    return f"{whole} of the parameters are never pruned: {shares}" if named else ""


def _share(number: int, params: int) -> str:
    percent = 100 * number / params
    return f"{percent:.1f} %" if percent >= 0.1 else "below 0.1 %"
