"""A table of text, and how its numbers are written."""

from dataclasses import dataclass

NONE = "-"  # an empty cell


@dataclass(frozen=True)
class Table:
    """A table with a heading; each row has the text of its cells by column."""

    title: str
    rows: tuple[dict[str, str], ...]
    caption: str = ""
    folded: bool = False  # the page shows the heading only, until a reader unfolds the table

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in the order in which the rows name them."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The text of every cell, row by row."""
        columns = self.columns
        return tuple(tuple(row.get(name, NONE) for name in columns) for row in self.rows)


def plural(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def format_number(value: float | None, decimals: int = 0, factor: float = 1) -> str:
    """Write a number times a factor, with commas between thousands."""
    return NONE if value is None else f"{factor * value:,.{decimals}f}"


def format_percent(share: float | None) -> str:
    """Write a share as a percentage."""
    return NONE if share is None else f"{100 * share:.2f}"
