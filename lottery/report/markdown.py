"""report.md: the answer and the tables, for a repository or a notebook."""

from collections.abc import Iterator

from lottery.report.contents import Contents
from lottery.report.tables import Table
from lottery.report.verdicts import RULES


def make_markdown(contents: Contents) -> str:
    """The report as Markdown, its figures as links to the files beside it."""
    return "\n".join(_lines(contents))


def _lines(contents: Contents) -> Iterator[str]:
    yield from (f"# {contents.title}", "")
    for note in contents.notes:
        yield from (f"> {note}", "")
    yield from ("## In short", "")
    for answer in contents.answers:
        yield from (f"**{answer.heading}**", "")
        yield from (f"- {sentence}" for sentence in answer.sentences)
        yield ""
    yield from ("The rules:", "")
    yield from (f"- {rule}" for rule in RULES)
    yield ""
    if contents.checks:
        yield from ("## Checks", "", *(f"- {sentence}" for sentence in contents.checks), "")
    for figure in contents.figures:
        yield from (f"## {figure.title}", "", f"![{figure.title}](figures/{figure.name}.png)", "")
        yield from (figure.caption, "")
    for table in contents.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from (f"## {table.title}", "", _row(table.columns))
    yield "|---" + "|--:" * (len(table.columns) - 1) + "|"
    yield from (_row(row) for row in table.rows)
    yield from ("", table.caption, "") if table.caption else ("",)


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
