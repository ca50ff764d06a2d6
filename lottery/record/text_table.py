"""Lay out a table as plain text, for a terminal and for a log file."""

import re
from collections.abc import Sequence
from io import StringIO

NUMBER = re.compile(r"[-+]?[\d.,]+( %)?|nan|-")
UNLIMITED = 10_000  # characters; a table is never wrapped


def text_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as text: columns of numbers on the right, columns of words on the left.

    Example:
        >>> print(text_table(["round", "test %", ""], [[0, "97.5", ""], [12, "98.0", "best"]]))
        round  test %
            0    97.5
           12    98.0  best
    """
    from rich.console import Console  # 40 ms, which a command's --help need not wait for
    from rich.table import Table

    cells = [[str(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column, header in enumerate(columns):
        numbers = all(NUMBER.fullmatch(row[column]) for row in cells)
        table.add_column(header, justify="right" if numbers else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    out = StringIO()
    console = Console(file=out, width=UNLIMITED, color_system=None, markup=False, emoji=False)
    console.print(table, highlight=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def format_percent(share: float | None) -> str:
    """Return a share in percent with two decimals; "-" for None and NaN."""
    return "-" if share is None or share != share else f"{100 * share:.2f}"
