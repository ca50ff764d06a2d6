"""A small table in a CSV file: of people of two kinds, with numbers, texts and a code."""

from pathlib import Path

import numpy as np

COLUMNS = ("number", "age", "city", "code", "target")
CITIES = ("Bern", "Rome")


def table_rows(count: int = 40) -> list[list[str]]:
    """The rows below the names; kind "b" is older, and lives in Rome more often than in Bern."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        kind = number % 2
        age = generator.normal(30 + 30 * kind, 5)
        city = CITIES[int(generator.random() < 0.2 + 0.6 * kind)]
        rows.append([str(number), f"{age:.1f}", city, str(10 * (number % 3)), "ab"[kind]])
    return rows


def write_table(path: Path, rows: list[list[str]] | None = None) -> Path:
    """Write the table; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [COLUMNS, *(table_rows() if rows is None else rows)]
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path
