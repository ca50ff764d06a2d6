"""The head of a report: one sentence and four numbers, by the rules of the verdicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lottery.record.score import Score
from lottery.report.contents import make_contents
from lottery.report.read.runs import read_run
from lottery.report.words.tile import Headline
from tests.helpers.toy_records import (
    CONFIG,
    RANDOM_REINIT,
    TRUNK,
    toy_record,
    write_controls,
    write_run,
)
from tests.helpers.toy_scores import toy_of_score

REINIT = "digits-lenet_300_100-copy-none-none-random-22222222"


def write(folder: Path, rounds: Sequence[Sequence[float]], **arguments: Any) -> list[Path]:
    """Write a run for each seed; each sequence has the test accuracies of one round."""
    return [
        write_run(folder / f"seed_{seed}", tests=[r[seed] for r in rounds], **arguments)
        for seed in range(len(rounds[0]))
    ]


def headline(paths: Sequence[Path]) -> Headline:
    return make_contents([read_run(path) for path in paths]).headline


def values(head: Headline) -> list[str]:
    return [tile.value for tile in head.tiles]


DENSE = (0.950, 0.951, 0.952)
CASES: dict[str, tuple[list[Sequence[float]], str, list[str]]] = {
    "beats": (
        [DENSE, (0.960, 0.962, 0.961)],
        "With 80.0 % of its weights the network beats the dense one.",
        ["80.0 %", "+1.00 points"],
    ),
    "matches": (
        [DENSE, (0.9498, 0.9512, 0.9519)],
        "With 80.0 % of its weights the network matches the dense one within 0.2 points.",
        ["80.0 %", "+0.00 points"],
    ),
    "is behind": (
        [DENSE, (0.93, 0.931, 0.932)],
        "With 80.0 % of its weights the network is behind the dense one.",
        ["no round", "-2.00 points"],
    ),
    "undecided": (
        [DENSE, (0.94, 0.96, 0.951)],
        "With 80.0 % of its weights it is undecided whether the network matches the dense one.",
        ["no round", "-0.07 points"],
    ),
    "two seeds": (
        [DENSE[:2], (0.99, 0.99)],
        "With 80.0 % of its weights it cannot be said yet whether the network matches the dense "
        "one: there are 2 seeds, and 3 are needed.",
        ["cannot say", "+3.95 points"],
    ),
}


@pytest.mark.parametrize(("rounds", "sentence", "numbers"), CASES.values(), ids=CASES)
def test_the_sentence_and_the_numbers_follow_the_verdict(
    tmp_path: Path, rounds: list[Sequence[float]], sentence: str, numbers: list[str]
) -> None:
    head = headline(write(tmp_path / TRUNK, rounds))
    assert head.sentence == sentence
    assert values(head) == [*numbers, "1.10 times", str(len(rounds[0]))]


def test_what_matches_and_is_worse_for_sure_says_both(tmp_path: Path) -> None:
    rounds = [DENSE, (0.949, 0.95, 0.951)]
    assert headline(write(tmp_path / TRUNK, rounds)).sentence == (
        "With 80.0 % of its weights the network matches the dense one within 0.2 points, though "
        "it is behind it."
    )


def test_a_best_round_that_is_undecided_still_tells_where_it_matches(tmp_path: Path) -> None:
    better, best = (0.960, 0.962, 0.961), (0.99, 0.9, 0.97)
    vals = [[0.9, 0.91, 0.95]] * 3
    paths = [
        write_run(tmp_path / TRUNK / f"seed_{s}", tests=[DENSE[s], better[s], best[s]], vals=v)
        for s, v in enumerate(vals)
    ]
    assert headline(paths).sentence == (
        "With 64.0 % of its weights it is undecided whether the network matches the dense one, "
        "but down to 80.0 % every round matches."
    )


def test_only_a_ticket_that_beats_random_reinit_is_a_winning_ticket(tmp_path: Path) -> None:
    paths = sorted(write_controls(tmp_path))
    head = headline(paths)
    assert head.sentence == (
        "Ticket: with 51.2 % of its weights this is a winning ticket: it matches the dense "
        "network and beats random reinit."
    )
    assert values(head) == ["51.2 %", "+1.20 points", "1.25 times", "3"]
    without = [path for path in paths if path.parent.name != REINIT]
    assert headline(without).sentence == (
        "Ticket: with 51.2 % of its weights the network beats the dense one."
    )
    equal = write(
        tmp_path / "other" / REINIT,
        [[0.95 + 0.001 * s + 0.004 * r for s in range(3)] for r in range(4)],
        canonical=RANDOM_REINIT,
    )
    assert "winning" not in headline([*without, *equal]).sentence


def test_of_several_settings_verdicts_are_counted_and_none_is_picked(tmp_path: Path) -> None:
    paths = [
        path
        for number, rounds in enumerate(CASES)
        for path in write(
            tmp_path / TRUNK.replace("1" * 8, str(number) * 8),
            CASES[rounds][0],
            canonical=CONFIG | {"pruning.rate": 0.1 * (number + 1)},
        )
    ]
    head = headline(paths)
    assert head.sentence == (
        "In the best pruned rounds of 5 settings, 1 beats its dense network, 1 matches its dense "
        "network, 1 is behind its dense network, 1 is undecided and 1 has not enough seeds to say."
    )
    assert values(head) == ["5", "2 of 4", "0", "2 to 3"]


def test_without_validation_no_round_is_called_the_best(tmp_path: Path) -> None:
    runs = [
        toy_record(
            tmp_path / f"{TRUNK}{rate}" / f"seed_{seed}",
            canonical=CONFIG | {"pruning.rate": rate},
        )
        for rate in (0.1, 0.2)
        for seed in range(3)
    ]
    for run in runs:
        for record in run.records:
            record["row"]["val"] = None
    head = make_contents(runs).headline
    assert head is not None
    assert head.sentence == "In the last rounds of 2 settings, 2 are behind their dense networks."


def test_of_several_settings_all_with_few_seeds_the_missing_seeds_are_named(
    tmp_path: Path,
) -> None:
    paths = [
        path
        for number in (1, 2)
        for path in write(
            tmp_path / TRUNK.replace("1" * 8, str(number) * 8),
            CASES["two seeds"][0],
            canonical=CONFIG | {"pruning.rate": 0.1 * number},
        )
    ]
    head = headline(paths)
    assert head.sentence == (
        "3 seeds are needed to say whether a network matches its dense one; no setting has so "
        "many yet."
    )
    assert values(head) == ["2", "0 of 0", "0", "2"]


@pytest.mark.parametrize(
    ("tests", "sentence"),
    [
        ([], "No round is finished yet."),
        ([0.95], "Only the dense network is trained yet: its test accuracy is 95.00 %."),
    ],
)
def test_before_a_round_is_pruned_there_are_no_numbers(
    tmp_path: Path, tests: list[float], sentence: str
) -> None:
    path = write_run(tmp_path / TRUNK / "seed_0", tests=tests, status="running", asked=3)
    assert headline([path]) == Headline(sentence)


def test_an_unfinished_run_says_so_far(tmp_path: Path) -> None:
    paths = write(tmp_path / TRUNK, CASES["beats"][0], status="running", asked=5)
    assert headline(paths).sentence == (
        "So far, with 80.0 % of its weights the network beats the dense one."
    )


def test_other_scores_have_their_own_unit_and_direction(tmp_path: Path) -> None:
    rmse = Score("RMSE", higher_is_better=False, is_share=False)
    runs = [
        toy_of_score(tmp_path / TRUNK / f"seed_{seed}", rmse, tests=[2.0, 1.9 + 0.001 * seed])
        for seed in range(3)
    ]
    head = make_contents(runs).headline
    assert head.sentence == "With 80.0 % of its weights the network beats the dense one."
    assert values(head)[:2] == ["80.0 %", "+0.099 RMSE"]
