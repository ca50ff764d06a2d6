"""What a terminal shows while a run trains: the table of its rounds, and a bar below it."""

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from lottery.record.rows import format_table
from lottery.record.schema import Row
from lottery.record.score import Score

BARS = "▁▂▃▄▅▆▇█"
CURVE = 12  # characters of the curve beside the bar
LONG_CURVE = 40  # of the one over the rounds
MOST = 1e300  # of a value that has a bar: differences must be finite
OTHER_LINES = 4  # of the screen: the table's header, the line below it, the bar, the cursor


class Screen(RichProgress):
    """A live table of rounds, with the validation score over them, above a live bar.

    Rich replaces sys.stderr while it is live, so that log lines go above it. It disappears at the
    end: the command then prints the whole table on stdout.
    """

    def __init__(self, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[where]}"),
            TextColumn("{task.fields[curve]}"),
            TimeRemainingColumn(),
        )
        self._rounds: RenderableType = Group()
        super().__init__(*columns, console=Console(stderr=True), transient=True)
        self.bar = self.add_task("", total=total, where="", curve="")

    def get_renderables(self) -> Iterable[RenderableType]:
        """Give what is shown, from top to bottom."""
        yield self._rounds
        yield from super().get_renderables()

    def show_rows(self, rows: Sequence[Row], score: Score) -> None:
        """Show the rounds that are finished, the last ones if the screen has no room for all."""
        header, *lines = format_table(rows, score).splitlines()
        room = max(1, self.console.height - OTHER_LINES)
        shown = [header, *lines[-room:]]
        values = [value for row in rows if (value := row["val"]) is not None]
        if len(values) > 1:
            ends = f"{score.format(min(values))} to {score.format(max(values))} {score.unit}"
            shown.append(f"val by round {self.curve(values, LONG_CURVE)} {ends.rstrip()}")
        self._rounds = Text("\n".join(shown), no_wrap=True, overflow="crop")
        self.refresh()

    def curve(self, values: Sequence[float], width: int = CURVE) -> str:
        """Return a small curve; "" on a terminal that has no characters for it."""
        return "" if self.console.options.ascii_only else sparkline(values, width)


def sparkline(values: Sequence[float], width: int) -> str:
    """Return values as bars from the lowest to the highest; of too many, some at equal distances.

    An infinite value has no bar.

    Example:
        >>> sparkline([0.1, 0.5, 0.9, 0.9, 0.8], width=10), sparkline(range(100), width=5)
        ('▁▅██▇', '▁▃▅▆█')
    """
    values = [value for value in values if abs(value) <= MOST]
    if not values:
        return ""
    count = min(width, len(values))
    last = len(values) - 1
    chosen = [values[round(k * last / max(1, count - 1))] for k in range(count)]
    lowest, highest = min(chosen), max(chosen)
    most = len(BARS) - 1
    scale = most / (highest - lowest) if highest > lowest else 0.0
    return "".join(BARS[round((value - lowest) * scale)] for value in chosen)
