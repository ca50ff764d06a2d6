"""Which rounds are still to be done, as literal tables; what a round reads of W_0."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lottery.imp import Rounds, storage
from lottery.tensors import load_tensors
from tests.helpers.toy_runs import run_toy

REMAINING = [1.0, 0.8, 0.64, 0.512, 0.4096]


def _rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"round": number, "remaining": REMAINING[number]} for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "target", "finished", "rows", "todo"),
    [
        (range(3), None, (), [], [0, 1, 2]),
        (range(3), None, (0, 1), [0, 1], [2]),
        (range(3), None, (0, 1, 2, 3, 4), [0, 1, 2], []),  # more were done before
        (range(5), 0.2, (0,), [0], [1, 2, 3, 4]),
        (range(5), 0.2, (0, 1), [0, 1], []),  # 1 - 0.2 is not exactly 0.8
        (range(5), 0.3, (0, 1, 2, 3), [0, 1, 2], []),
        ((0, 2, 4), None, (0, 4), [0, 4], [2]),  # copied masks
        ((0, 2, 4), 0.3, (0, 4), [0, 4], [2]),
    ],
)
def test_rows_and_rounds_to_do(
    numbers: Sequence[int],
    target: float | None,
    finished: tuple[int, ...],
    rows: list[int],
    todo: list[int],
) -> None:
    rounds = Rounds(numbers, target)
    assert [row["round"] for row in rounds.rows(_rows(*finished))] == rows
    assert rounds.todo(_rows(*finished)) == todo


def test_the_round_before_is_the_one_before_it_in_the_list() -> None:
    assert Rounds((0, 7, 15)).before(15) == 7
    assert Rounds((0, 7, 15)).before(7) == 0


def test_a_pruned_round_reads_the_initial_weights_once_and_once_more_for_their_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_toy(tmp_path, rounds=(0,))
    checked = []

    def noting(path: Path, expected: str | None = None, **options: bool) -> Any:
        if path.parent.name == "00" and path.stem == "start":
            checked.append(options.get("check", True))
        return load_tensors(path, expected, **options)

    monkeypatch.setattr(storage, "load_tensors", noting)
    run_toy(tmp_path, rounds=(0, 1), early_bird=0.1)
    assert checked == [True, False]
