"""Compared masks in a report: sentences, table, figure 10; from files alone, without torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lottery.record.opened_run import OpenedRun
from lottery.record.run_dir import CompareDir
from lottery.report.contents import Contents, make_contents
from lottery.report.figures.draw_matplotlib import draw
from lottery.report.figures.figure import Figure
from lottery.report.render import make_markdown, make_page
from tests.helpers.drawings import on_page, on_paper
from tests.helpers.toy_compared import DENSE, FC1, NOTE, PAIR, write_compared
from tests.helpers.toy_records import TRUNK, toy_record

UNKNOWN = dict.fromkeys(("same_start_signs", "same_final_signs", "magnitude_correlation"))


@pytest.fixture
def run(tmp_path: Path) -> OpenedRun:
    return toy_record(tmp_path / TRUNK / "seed_0", tests=(0.95, 0.96))


def sentences(contents: Contents) -> list[str]:
    """The sentences about compared masks."""
    found = [a.sentences for a in contents.answers if a.heading.startswith("Masks compared")]
    return [sentence for one in found for sentence in one]


def figure(contents: Contents) -> Figure:
    (found,) = (figure for figure in contents.figures if figure.name == "10_masks")
    return found


def test_a_pair_has_a_sentence_about_its_last_round(run: OpenedRun) -> None:
    write_compared(run.path, FC1 | DENSE, DENSE, FC1, PAIR)
    assert sentences(make_contents([run])) == [
        "ticket and random ticket, round 2 (10.00 % of the weights left): the masks overlap by "
        "11.11 %, and chance would give 5.26 ± 1.57 %; of the weights that both keep, 100.00 % "
        "before training and 70.00 % after training have equal signs (by chance 50 %); the "
        "correlation of their magnitudes is 0.123."
    ]


NESTED: dict[str, Any] = {"second": "ticket", "second_round": 3, "second_kept": 20}
WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "weights are gone": (
        UNKNOWN,
        "ticket and random ticket, round 2 (10.00 % of the weights left): the masks overlap by "
        "11.11 %, and chance would give 5.26 ± 1.57 %.",
    ),
    "the start is gone": (
        {"same_start_signs": None, "magnitude_correlation": None},
        "ticket and random ticket, round 2 (10.00 % of the weights left): the masks overlap by "
        "11.11 %, and chance would give 5.26 ± 1.57 %; of the weights that both keep, 70.00 % "
        "after training have equal signs (by chance 50 %).",
    ),
    "two rounds of a run": (
        UNKNOWN | NESTED | {"overlap": 0.2},
        "ticket, rounds 2 and 3 (10.00 and 2.00 % of the weights left): one mask lies in the "
        "other, and their overlap of 20.00 % is the ratio of sizes.",
    ),
    "copied masks": (
        UNKNOWN | {"both_kept": 100, "overlap": 1.0},
        "ticket and random ticket, round 2 (10.00 % of the weights left): the masks are equal.",
    ),
}


@pytest.mark.parametrize(("changes", "sentence"), WORDS.values(), ids=WORDS)
def test_what_is_not_known_or_says_nothing_is_left_out(
    run: OpenedRun, changes: dict[str, Any], sentence: str
) -> None:
    write_compared(run.path, PAIR | changes)
    assert sentences(make_contents([run])) == [sentence]
    assert make_markdown(make_contents([run])).count("nan") == 0


def test_the_table_has_all_rounds_and_names_the_runs(run: OpenedRun) -> None:
    write_compared(run.path, DENSE, FC1, PAIR, notes=[NOTE])
    (table,) = (t for t in make_contents([run]).tables if t.title == "Masks compared")
    dense, pruned = table.rows
    assert (dense["first"], dense["remaining %"]) == ("ticket, round 0", "100.00")
    assert pruned == {
        "first": "ticket, round 2",
        "second": "random ticket, round 2",
        "remaining %": "10.00",
        "overlap %": "11.11",
        "chance %": "5.26 ± 1.57",
        "Hamming %": "16.00",
        "equal signs at start %": "100.00",
        "at end %": "70.00",
        "magnitudes r": "0.123",
    }
    runs = "ticket is gone-11111111/seed_0; random ticket is gone-22222222/seed_0"
    assert table.caption.startswith(f"In compare/1a2b3c4d: {runs}. ")
    assert table.caption.endswith(f" T{NOTE[1:]}.")
    assert not table.folded


def test_a_run_that_was_compared_with_itself_is_named_twice(run: OpenedRun) -> None:
    copies = ["gone-11111111/seed_0", "gone-11111111/seed_0"]
    write_compared(run.path, PAIR | {"second": "ticket"}, runs=copies)
    (table,) = (t for t in make_contents([run]).tables if t.title == "Masks compared")
    assert table.caption.startswith(f"In compare/1a2b3c4d: {'; '.join(copies)}. Overlap: ")


def test_the_figure_has_the_overlap_and_its_multiple_of_chance(run: OpenedRun) -> None:
    write_compared(
        run.path, DENSE, FC1, PAIR, DENSE | {"second": "SNIP"}, PAIR | {"second": "SNIP"}
    )
    drawn = figure(make_contents([run]))
    overlap, ratio = on_page(drawn)
    assert set(overlap) == {"chance", "ticket and random ticket", "ticket and SNIP"}
    shares = [100.0, 10.0]
    for lines, label, values in (
        (overlap, "chance", [100.0, 5.26]),
        (overlap, "ticket and SNIP", [100.0, 11.11]),
        (ratio, "ticket and SNIP", [1.0, 0.1111 / 0.0526]),
    ):
        x, y = lines[label]
        assert x == shares
        assert y == pytest.approx(values)
    assert ratio["as by chance"][1] == [1.0, 1.0]
    assert on_paper(drawn)[0].keys() == overlap.keys()


def test_comparisons_are_told_apart_by_their_folders(run: OpenedRun) -> None:
    write_compared(run.path, PAIR)
    steps = {"second": "ticket", "second_kept": 20, "overlap": 0.2}
    write_compared(
        run.path,
        PAIR | steps | {"first_round": 0, "second_round": 2},
        PAIR | steps | {"second_round": 3},
        name="5e6f7a8b",
        runs=["gone-11111111/seed_0"],
    )
    (run.folder.comparisons / ".9c0d1e2f.17.part").mkdir()  # a command was killed
    contents = make_contents([run])
    assert contents.notes == ()
    headings = [f"Masks compared ({name})" for name in ("1a2b3c4d", "5e6f7a8b")]
    assert [answer.heading for answer in contents.answers[1:]] == headings
    assert [table.title for table in contents.tables if "Masks" in table.title] == headings
    titles = [panel.title for panel in figure(contents).panels]
    assert titles == ["1a2b3c4d", "1a2b3c4d", "5e6f7a8b", "5e6f7a8b"]


def test_many_pairs_and_comparisons_are_cut_where_a_reader_would_be_lost(run: OpenedRun) -> None:
    pairs = [PAIR | {"second": f"seed {seed}"} for seed in range(40)]
    for number in range(8):
        write_compared(run.path, *pairs, name=f"0000000{number}")
    contents = make_contents([run])
    heading, end = contents.answers[-1].heading, sentences(contents)[8]
    assert (heading, end) == (
        "2 more comparisons",
        "32 more pairs: see the table of compared masks.",
    )
    assert len(sentences(contents)) == 6 * 9
    tables = [table for table in contents.tables if "Masks" in table.title]
    assert [(len(table.rows), table.folded) for table in tables] == [(40, True)] * 8
    assert len(figure(contents).panels) == 6
    assert figure(contents).caption.endswith(
        "The first 3 of 8 comparisons are drawn. The first 14 of 40 lines are drawn."
    )


def cells(**changes: Any) -> Callable[[CompareDir], Any]:
    return lambda folder: write_compared(folder.path.parents[1], PAIR | changes)


DAMAGES: dict[str, tuple[Callable[[CompareDir], Any], str]] = {
    "half a table": (lambda f: f.pairs_csv.write_text("first,sec"), "compare.csv: damaged: "),
    "no table": (lambda f: f.pairs_csv.unlink(), "compare.csv: damaged: "),
    "no rows": (lambda f: write_compared(f.path.parents[1], FC1), "no row of the layer 'all'"),
    "no list of runs": (lambda f: f.compare_json.unlink(), "compare.json: damaged: it is missing"),
    "half a list": (lambda f: f.compare_json.write_text("{"), "compare.json: damaged: "),
    "a text": (cells(overlap="much"), "compare.csv: damaged: "),
    "no share": (cells(overlap=7), "overlap in round 2 is 7, 0 to 1 expected"),
    "infinite": (cells(same_final_signs=float("inf")), "same_final_signs in round 2 is inf"),
    "no chance": (cells(overlap_chance=0), "overlap_chance in round 2 is 0, 1e-30 to 1 expected"),
    "too many": (cells(first_kept=2000), "first_kept in round 2 is 2000, 0 to 1000 expected"),
    "a huge number": (cells(weights=10**30), "compare.csv: damaged: "),
    "a fraction": (cells(first_round=0.5), "compare.csv: damaged: "),
    "no label": (cells(first=""), "compare.csv: damaged: a cell is empty or infinite"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_comparison_is_named_and_the_rest_is_shown(
    run: OpenedRun, damage: Callable[[CompareDir], Any], words: str
) -> None:
    write_compared(run.path, PAIR, name="5e6f7a8b")
    damage(write_compared(run.path, PAIR))
    contents = make_contents([run])
    (note,) = contents.notes
    assert note.startswith(f"left out: {run.folder.comparisons}/1a2b3c4d/")
    assert words in note
    assert note.endswith("; remove its folder and run lottery-compare again")
    assert len(sentences(contents)) == 1


def test_labels_are_no_markup(run: OpenedRun) -> None:
    evil = "<b>|$x^$"
    write_compared(run.path, PAIR | {"first": evil}, runs=[evil, evil], notes=[evil])
    contents = make_contents([run])
    assert "\n- \\<b>\\|$x^$ and random ticket, round 2" in make_markdown(contents)
    assert evil not in make_page(contents).partition("<script>")[0].replace("&lt;", "<&")
    assert f"{evil} and random ticket" in on_paper(figure(contents))[0]
    draw(figure(contents)).draw_without_rendering()  # a label is no formula
