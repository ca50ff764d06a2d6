"""Figures 7 and 8 and the table of stability analyses: the line between copies of a network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lottery.report.figure import Axis, Figure, Line, Panel, line_of_means, remaining_axis, style
from lottery.report.settings import Setting
from lottery.report.stability_files import Row
from lottery.report.statistics import Summary, summarise
from lottery.report.tables import NONE, Table

STABLE_BELOW = 0.02  # instability, test error: what Frankle et al. (2020) call stable
LEVEL = (100 * STABLE_BELOW, f"stable: below {100 * STABLE_BELOW:g} points")
SPLITS = {"train": "training split", "test": "test split"}
MAX_LINES = 14


@dataclass(frozen=True)
class Place:
    """A round and step of a setting, with the pairs of all its runs.

    Args:
        setting: label of the setting; "" where there is one only.
        round: the round.
        step: k, on the run's clock.
        remaining: share of the weights left.
        pairs: rows of pairs.csv.
        points: of each pair on each split, error by alpha.
    """

    setting: str
    round: int
    step: int
    remaining: float
    pairs: Sequence[Row]
    points: dict[str, list[dict[float, float]]]

    @property
    def label(self) -> str:
        """The round with what is left, and k."""
        text = f"round {self.round} ({100 * self.remaining:.1f} %), k = {self.step}"
        return f"{self.setting}, {text}" if self.setting else text

    def barrier(self, split: str) -> Summary:
        """Of the pairs' error barriers."""
        return summarise([float(row[f"barrier_{split}"]) for row in self.pairs])

    def line(self, split: str) -> dict[float, Summary]:
        """Error along the line, at the places that were measured for every pair."""
        pairs = self.points[split]
        common = sorted(set.intersection(*(set(pair) for pair in pairs)))
        return {alpha: summarise([pair[alpha] for pair in pairs]) for alpha in common}


def find_places(settings: Sequence[Setting]) -> list[Place]:
    """All that was analysed, by setting, round and step; pairs of all seeds together."""
    return [
        place
        for setting in settings
        for place in _places_of(setting, setting.label if len(settings) > 1 else "")
    ]


def stability_figures(settings: Sequence[Setting], *, interval: bool) -> Iterator[Figure]:
    """Figure 7, error along the lines, and figure 8, instability by step or sparsity.

    Args:
        settings: some of whose runs may have been analysed.
        interval: whether bands are confidence intervals.
    """
    found = find_places(settings)
    if not found:
        return
    drawn = found[:MAX_LINES]
    more = f" The first {len(drawn)} of {len(found)} are drawn." if drawn != found else ""
    yield Figure(
        "7_lines",
        "7. Error on the line between two copies",
        "Two copies are trained from step k of a round to its end, which differ in data order "
        "alone; the band is over the pairs. A network whose line is flat is stable to the noise "
        f"of SGD.{_norms(found)}{more}",
        tuple(_line_panel(drawn, split, interval=interval) for split in SPLITS),
    )
    yield Figure(
        "8_instability",
        "8. Instability",
        "The highest error on the line less the mean of its ends, points. "
        f"{LEVEL[1].capitalize()}, says the paper (Frankle et al. 2020).",
        tuple(_instability_panels(drawn, interval=interval)),
    )


def stability_table(settings: Sequence[Setting]) -> Table | None:
    """A row per round and step; None where nothing was analysed."""
    found = find_places(settings)
    starts = _untrained(settings)
    rows = tuple(
        (
            *([place.setting] if place.setting else []),
            *(str(place.round), f"{100 * place.remaining:.2f}", str(place.step)),
            *(str(len(place.pairs)), _mean(place, "ends_error_test", 100)),
            *(_spread(place.barrier("train")), _spread(place.barrier("test"))),
            "yes" if place.barrier("test").mean < STABLE_BELOW else "no",
            *(_mean(place, name, 1) for name in ("l2", "angle", "l2_from_dense")),
            *(starts.get((place.setting, place.round, kind), NONE) for kind in KINDS),
        )
        for place in found
    )
    columns = (
        *(["setting"] if any(place.setting for place in found) else []),
        *("round", "remaining %", "k", "pairs", "error at the ends %"),
        *("train instability, points", "test instability, points", "stable"),
        *("L2", "angle", "L2 from dense", "start, masked %", "start, dense %"),
    )
    caption = (
        "Means over the pairs (lowest to highest). L2 and angle are between two copies; L2 from "
        "dense is to the dense network trained in the same data order, under the ticket's mask. "
        "Start: test accuracy before the round's first step, under its mask and without it."
        f"{_norms(found)}"
    )
    return Table("Stability", columns, rows, caption) if rows else None


KINDS = ("masked", "dense")


def _places_of(setting: Setting, label: str) -> Iterator[Place]:
    tables = [run.stability for run in setting.runs if run.stability is not None]
    keys = {(row["round"], row["step"]) for table in tables for row in table.pairs}
    for number, step in sorted(keys):
        rows, points = [], {split: list[dict[float, float]]() for split in SPLITS}
        for table in tables:
            here = [row for row in table.pairs if (row["round"], row["step"]) == (number, step)]
            rows += here
            for split, pair in ((split, row["pair"]) for split in SPLITS for row in here):
                where = (number, step, pair, split)
                points[split].append(
                    {p["alpha"]: p["error"] for p in table.points if _where(p) == where}
                )
        yield Place(label, number, step, rows[0]["remaining"], rows, points)


def _where(point: Row) -> tuple[int, int, int, str]:
    return point["round"], point["step"], point["pair"], point["split"]


def _line_panel(places: Sequence[Place], split: str, *, interval: bool) -> Panel:
    lines = []
    for number, place in enumerate(places):
        found = place.line(split)
        x, y = dict(enumerate(found)), dict(enumerate(found.values()))
        look = replace(style(number), marker=None)  # thirty of them hide a line
        lines.append(line_of_means(place.label, x, y, look, scale=100, interval=interval))
    x_axis = Axis("place between the copies", span=(0, 1))
    return Panel(SPLITS[split], x_axis, Axis("error (%)"), tuple(lines))


def _instability_panels(places: Sequence[Place], *, interval: bool) -> Iterator[Panel]:
    """Against the step where there are several; else against the weights that remain."""
    steps = sorted({place.step for place in places})
    several = len(steps) > 1
    for split in SPLITS:
        x_axis, of = (_step_axis(steps), "round") if several else (None, "step")
        yield _instability(places, split, x_axis, of, interval=interval)


def _step_axis(steps: Sequence[int]) -> Axis:
    """The steps themselves, named where there is room."""
    last, named = steps[-1], list[int]()
    for step in steps:
        if not named or step - named[-1] >= 0.1 * last:
            named.append(step)
    ticks = tuple((float(step), str(step) if step in named else "") for step in steps)
    return Axis("k (step)", ticks=ticks, span=(-0.05 * last, 1.05 * last))


def _instability(
    places: Sequence[Place], split: str, x_axis: Axis | None, of: str, *, interval: bool
) -> Panel:
    """One panel.

    Args:
        places: all there are.
        split: whose errors.
        x_axis: of steps; None for the weights that remain.
        of: what a line is of, "round" or "step".
        interval: whether bands are confidence intervals.
    """
    groups: dict[tuple[str, int], list[Place]] = {}
    for place in places:
        groups.setdefault((place.setting, getattr(place, of)), []).append(place)
    lines: list[Line] = []
    for number, ((setting, value), group) in enumerate(groups.items()):
        what = f"round {value}" if of == "round" else f"k = {value}"
        label = f"{setting}, {what}" if setting else what
        x = {n: float(p.step) if x_axis else 100 * p.remaining for n, p in enumerate(group)}
        y = {n: place.barrier(split) for n, place in enumerate(group)}
        lines.append(line_of_means(label, x, y, style(number), scale=100, interval=interval))
    y_axis = Axis("instability (points)", from_zero=True)
    return Panel(SPLITS[split], x_axis or remaining_axis(lines), y_axis, tuple(lines), level=LEVEL)


def _norms(places: Sequence[Place]) -> str:
    recomputed = any(r.get("batch_norm") == "recomputed" for p in places for r in p.pairs)
    said = " BatchNorm's statistics are recomputed over the training split at every point."
    return said if recomputed else ""


def _untrained(settings: Sequence[Setting]) -> dict[tuple[str, int, str], str]:
    """Test accuracy of starts, mean over the runs: (setting, round, kind) -> percent."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for setting in settings:
        label = setting.label if len(settings) > 1 else ""
        for run in setting.runs:
            for row in run.stability.untrained if run.stability else ():
                if row["split"] == "test":
                    key = label, row["round"], row["weights"]
                    found.setdefault(key, []).append(row["accuracy"])
    return {key: f"{100 * sum(values) / len(values):.2f}" for key, values in found.items()}


def _mean(place: Place, column: str, scale: float) -> str:
    values = [row[column] for row in place.pairs if row[column] == row[column]]
    return f"{scale * sum(values) / len(values):.2f}" if values else NONE


def _spread(summary: Summary) -> str:
    mean, low, high = (100 * v for v in (summary.mean, summary.lowest, summary.highest))
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
