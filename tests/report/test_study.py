"""The table and the sentence of a search."""

from pathlib import Path

import pytest

from lottery.record.files import DamagedFile, write_json
from lottery.record.score import Score, score_of
from lottery.record.study import StudyJson, read_study, write_study
from lottery.report.words.study import study_note, study_table

STUDY: StudyJson = {
    "study": "outputs/studies/a.log",
    "objectives": [
        {"column": "val", "higher_is_better": False},
        {"column": "remaining", "higher_is_better": False},
    ],
    "score": Score("RMSE", higher_is_better=False, is_share=False).to_json(),
    "trials": [
        {
            "number": 0,
            "state": "complete",
            "params": {"optimizer.lr": 0.00123, "scope": "global"},
            "values": [2.5, 0.41],
            "run": "a",
        },
        {"number": 1, "state": "fail", "params": {}, "values": None, "run": "b"},
    ],
    "best": [0],
}


def test_the_table_has_a_row_per_trial(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY)
    study = read_study(tmp_path)
    assert study == STUDY
    table = study_table(study)
    assert table.columns == ("trial", "optimizer.lr", "scope", "val", "remaining %", "state", "")
    assert table.cells == (
        ("0", "0.00123", "global", "2.5", "41.00", "complete", "best"),
        ("1", "-", "-", "-", "-", "fail", "-"),
    )


def test_the_note_says_what_was_searched_for() -> None:
    note = study_note(STUDY)
    assert "the lowest val and the lowest remaining of the last round: 1 finished trial" in note
    assert "trials that no other beats in all objectives: 0" in note
    assert "too good by chance" in note


def test_another_folder_has_no_study(tmp_path: Path) -> None:
    assert read_study(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"trials": [{**STUDY["trials"][0], "values": [1.0]}]},
            "trial 0 has 1 values, 2 expected",
        ),
        ({"trials": [{**STUDY["trials"][0], "values": [1, 2, 3]}]}, "trial 0 has 3 values"),
    ],
)
def test_a_damaged_study_is_one_line(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    write_json(tmp_path / "study.json", {**STUDY, **change})
    with pytest.raises(DamagedFile, match=rf"study.json: damaged: {words}.*; remove it"):
        read_study(tmp_path)


def test_a_score_may_have_keys_of_a_later_version() -> None:
    assert score_of({"score": {**STUDY["score"], "more": 1}}) == Score(**STUDY["score"])
