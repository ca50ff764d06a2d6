"""Axes, ticks and colours of a report's figures."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lottery.record.opened_run import OpenedRun
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.draw_plotly import panel_json
from lottery.report.figures.figure import Axis, Line, Panel, count_axis, remaining_axis, style
from tests.helpers.drawings import figures
from tests.helpers.toy_records import TRUNK, toy_record


@pytest.fixture
def run(tmp_path: Path) -> OpenedRun:
    return toy_record(tmp_path / TRUNK / "seed_0", tests=(0.95, 0.97, 0.96, 0.90))


def line(*x: float) -> Line:
    return Line("", x=x, y=x, style=style(0))


def shown(ticks: Sequence[tuple[float, str]]) -> list[str]:
    return [text for _, text in ticks if text]


@pytest.mark.parametrize(
    ("lowest", "ticks"),
    [
        (100, ["100", "80"]),  # a single round
        (80.2, ["100", "80"]),
        (40.96, ["100", "80", "64", "51.2", "41"]),
        (51.1955, ["100", "80", "64", "51.2"]),  # counts are rounded
        (16.8, ["100", "51.2", "26.2"]),
        (1.19, ["100", "51.2", "26.2", "13.4", "6.9", "3.5", "1.8"]),
        (0.01, ["100", "26.2", "6.9", "1.8", "0.47", "0.12", "0.032", "0.0085"]),
    ],
)
def test_ticks_of_weights_remaining(lowest: float, ticks: list[str]) -> None:
    axis = remaining_axis([line(100, lowest)])
    assert shown(axis.ticks) == ticks
    assert axis.log
    assert axis.reverse
    assert axis.span is not None
    assert axis.span[0] < lowest <= 100 < axis.span[1]


def test_the_axis_runs_from_100_percent_down(run: OpenedRun) -> None:
    figure = figures([run])["1_accuracy"]
    xaxis = panel_json(figure.panels[0])["layout"]["xaxis"]
    assert (xaxis["type"], xaxis["range"][0] > 2 > xaxis["range"][1]) == ("log", True)
    axes = draw(figure).axes[0]
    assert axes.get_xscale() == "log"
    left, right = axes.get_xlim()
    assert left > 100 > right
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "80", "64", "51.2"]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ((9000, 50_000), ["10 k", "20 k", "50 k"]),
        ((500, 500), ["500"]),
        ((2.4e6, 6e6), ["2 M", "3 M", "4 M", "5 M", "6 M", "7 M"]),
        ((1e3, 1e6), ["1 k", "10 k", "100 k", "1 M"]),
        ((), ["1"]),
    ],
)
def test_ticks_of_large_numbers(values: tuple[float, ...], ticks: list[str]) -> None:
    assert shown(count_axis("", [line(*values)]).ticks) == ticks


def test_small_numbers_have_no_prefix_beside_the_unit_of_the_axis() -> None:
    """By default plotly writes 0.0005 as "500µ", which reads as microseconds of milliseconds."""
    panel = Panel(Axis("step"), Axis("inference (ms)"), lines=())
    assert panel_json(panel)["layout"]["yaxis"]["exponentformat"] == "none"


def test_colours_and_dashes_tell_28_lines_apart() -> None:
    looks = [style(number) for number in range(28)]
    assert len({(look.color, look.dash) for look in looks}) == 28
