"""The rows of results.csv: the winning ticket, and the table that people read."""

import pytest

from lottery.record.rows import best_round, format_table, sparsest_within, winning_round
from lottery.record.schema import Row
from lottery.record.score import Score
from tests.helpers.toy_rows import toy_row as row


@pytest.mark.parametrize(
    ("rows", "winner"),
    [
        ([], None),
        ([row(0, 1.0, 0.9)], None),  # the dense network is no ticket
        ([row(0), row(1, 1.0, 0.99)], None),  # a rate so small that no weight went
        ([row(0, 1.0, 0.99), row(1, 0.8, 0.5)], 1),
        ([row(0), row(1, 0.8, 0.7), row(2, 0.64, 0.8), row(3, 0.5, 0.6)], 2),
        ([row(0), row(1, 0.8, 0.8), row(2, 0.64, 0.8), row(3, 0.5, 0.6)], 2),  # a tie
        ([row(0), row(2, 0.64, 0.8), row(1, 0.8, 0.8)], 2),  # in any order
        ([row(0), row(7, 0.5, 0.8), row(15, 0.6, 0.8)], 7),  # the sparsest, not the last
        ([row(1, 0.8, 0.7, test=0.9), row(2, 0.64, 0.8, test=0.1)], 2),  # test has no say
        ([row(0, 1.0, None), row(1, 0.8, None), row(2, 0.64, None)], 2),  # no validation data
    ],
)
def test_winning_round(rows: list[Row], winner: int | None) -> None:
    assert winning_round(rows) == winner


@pytest.mark.parametrize(("points", "number"), [(0.5, 1), (1, 2), (0.1, None)])
def test_the_sparsest_round_within_some_points_of_dense(points: float, number: int | None) -> None:
    rows = [row(0, 1.0, 0.99), row(1, 0.8, 0.985), row(2, 0.64, 0.98), row(3, 0.5, 0.9)]
    assert sparsest_within(rows, points) == number


RMSE = Score("RMSE", higher_is_better=False, is_share=False)


def test_of_an_error_the_lowest_wins_and_is_shown_as_it_is() -> None:
    rows = [row(0, 1.0, 2.5), row(1, 0.8, 2.25), row(2, 0.64, 2.6), row(3, 0.5, 3.25)]
    assert winning_round(rows, RMSE) == 1
    assert [sparsest_within(rows, points, RMSE) for points in (0, 0.1, 0.75)] == [1, 2, 3]
    lines = [line.split() for line in format_table(rows, RMSE).splitlines()]
    assert lines[0] == ["round", "remaining", "%", "ES", "val", "test", "test", "at", "end"]
    assert lines[2] == ["1", "80.00", "10", "2.25", "0.5", "0.25", "winning", "round"]


def test_the_table_shows_percent_and_marks_the_winner() -> None:
    table = format_table([row(0), row(1, 0.5128, 0.98123, 0.97), row(2, 0.41, 0.5)])
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["0", "100.00", "0", "50.00", "50.00", "25.00"]
    assert lines[2] == ["1", "51.28", "10", "98.12", "97.00", "25.00", "winning", "round"]
    assert lines[3] == ["2", "41.00", "20", "50.00", "50.00", "25.00"]


@pytest.mark.parametrize(
    ("val", "best"),
    [
        ({1: (0.1 + 0.2) / 3, 2: 0.3 / 3}, 2),  # equal but for the last bit
        ({0: 0.99, 1: 0.95 + 2e-16, 2: 0.8, 3: 0.95}, 3),
        ({1: 0.9990234375, 2: 0.9990234375 - 2e-16, 3: 0.9}, 2),  # a 5 at the tenth decimal
        ({1: 0.95000001, 2: 0.95}, 1),  # one example in a hundred million is no tie
    ],
)
def test_means_that_differ_in_their_last_bits_are_ties(val: dict[int, float], best: int) -> None:
    assert best_round(val, {0: 1.0, 1: 0.8, 2: 0.64, 3: 0.51}) == best
