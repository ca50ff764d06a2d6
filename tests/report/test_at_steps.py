"""`lottery-report --at`: test scores at steps that were fixed beforehand."""

from pathlib import Path

from lottery.report.contents import make_contents
from lottery.report.read.runs import read_run
from tests.helpers.toy_records import CONFIG, record, rewrite_record, write_run

# test accuracy at step 200 by seed and round; at ES the rounds differ by less
AT_200 = {0: (0.900, 0.930, 0.880), 1: (0.902, 0.933, 0.884), 2: (0.904, 0.933, 0.882)}


def _runs(outputs: Path, *, curve: bool = True) -> list[Path]:
    paths = []
    for seed, by_round in AT_200.items():
        config = CONFIG | {"evaluation.test_curve": curve}
        folder = outputs / "a-b-c-0.2-e-f-01234567" / f"seed_{seed}"
        path = write_run(folder, canonical=config)
        for number, test in enumerate(by_round):
            entry = record(number, test=0.95, val=0.95, remaining=0.8**number)
            at_200 = {"round": number, "iteration": 200, "split": "test", "loss": 1.0}
            entry["history"].append({**at_200, "accuracy": test})  # type: ignore[typeddict-item]
            rewrite_record(path, entry)
        paths.append(path)
    return paths


def test_each_round_is_judged_at_the_step(tmp_path: Path) -> None:
    runs = [read_run(path) for path in _runs(tmp_path)]
    contents = make_contents(runs, at=[200])
    (table,) = (table for table in contents.tables if table.title == "At fixed steps")
    first, second = table.rows
    assert (first["step"], first["round"], first["seeds"]) == ("200", "1", "3")
    assert (first["dense test %"], first["test %"]) == ("90.20", "93.20")
    assert first["minus dense, points"] == "+3.00"
    assert first["verdict"] == "beats"
    assert (second["minus dense, points"], second["verdict"]) == ("-2.00", "is behind")


def test_steps_that_the_validation_loss_chose_do_not_count(tmp_path: Path) -> None:
    runs = [read_run(path) for path in _runs(tmp_path, curve=False)]
    contents = make_contents(runs, at=[200])
    assert not [table for table in contents.tables if table.title == "At fixed steps"]
    assert [note for note in contents.notes if "step 200" in note]


def test_a_step_without_test_scores_is_said(tmp_path: Path) -> None:
    runs = [read_run(path) for path in _runs(tmp_path)]
    contents = make_contents(runs, at=[150])
    assert not [table for table in contents.tables if table.title == "At fixed steps"]
    (note,) = (note for note in contents.notes if "step 150" in note)
    assert "evaluation.test_curve=true" in note
    assert not [table for table in make_contents(runs).tables if "fixed" in table.title]
