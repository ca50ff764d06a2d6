"""A report as text for a terminal: the answers, the checks and the tables; no file is written."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lottery.errors import escaped
from lottery.record.study import StudyJson
from lottery.record.text_table import text_table
from lottery.report.contents import Contents, make_contents
from lottery.report.read.runs import read_runs
from lottery.report.words.table import NONE, Table, plural

# Columns that a narrow terminal goes without first, then those on the right, but not the verdicts
LESS_NEEDED = ("network", "parameters", "FLOPs", "dense trainings", "by seed")
NEEDED = ("verdict", "the ticket", "against dense")
OF_OTHER_COMMANDS = ("Runs",)  # tables: lottery-ls has them
WIDEST = 100  # characters of a line of sentences


def report_text(
    runs: Sequence[Path],
    problems: Sequence[str] = (),
    *,
    width: int | None = None,
    interval: bool = False,
    margin: float | None = None,
    at: Sequence[int] = (),
    study: StudyJson | None = None,
    against: Collection[Path] = (),
) -> str:
    """Return the report of some runs as text; the arguments are those of `write_report`.

    `width` is that of the terminal. None: no column is left out.

    Raises:
        DamagedFile: none of the runs can be read.
    """
    records, damaged = read_runs(runs)
    contents = make_contents(
        records,
        [*problems, *damaged],
        interval=interval,
        margin=margin,
        at=at,
        study=study,
        against=against,
    )
    # a label may hold anything, and a terminal obeys escape sequences
    return "\n".join(map(escaped, "\n".join(_lines(contents, width)).split("\n")))


def _lines(contents: Contents, width: int | None) -> Iterator[str]:
    yield contents.title
    if contents.headline:
        yield _wrapped(contents.headline.sentence, width)
    for note in contents.notes:
        yield _wrapped(note, width, mark="! ")
    for table in contents.verdicts:
        yield from ("", table.title, _fitting(table, width))
    for answer in contents.answers if not contents.verdicts else ():
        yield from ("", _wrapped(answer.heading, width))
        yield from (_wrapped(sentence, width, mark="- ") for sentence in answer.sentences)
    if contents.checks:
        yield from ("", "Checks")
        yield from (_wrapped(sentence, width, mark="- ") for sentence in contents.checks)
    for table in contents.tables:
        if not table.folded and table.title not in OF_OTHER_COMMANDS:
            yield from ("", table.title, _fitting(table, width))


def _wrapped(text: str, width: int | None, mark: str = "") -> str:
    return textwrap.fill(
        text,
        min(width or WIDEST, WIDEST),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _fitting(table: Table, width: int | None) -> str:
    """Lay a table out without the columns that there is no room for; the first one stays."""
    columns = list(table.columns)
    from_right = [name for name in reversed(columns[1:]) if name not in NEEDED]
    for name in dict.fromkeys([*LESS_NEEDED, *from_right]):
        if width is None or _width(table, columns) <= width:
            break
        if name in columns[1:]:
            columns.remove(name)
    text = text_table(columns, _cells(table, columns))
    left_out = len(table.columns) - len(columns)
    return f"{text}\n({plural(left_out, 'more column')})" if left_out else text


def _width(table: Table, columns: Sequence[str]) -> int:
    """Return the characters of a row; text_table puts two spaces between columns."""
    cells = [columns, *_cells(table, columns)]
    return sum(max(map(len, column)) + 2 for column in zip(*cells, strict=True)) - 2


def _cells(table: Table, columns: Sequence[str]) -> list[list[str]]:
    return [[row.get(name, NONE) for name in columns] for row in table.rows]
