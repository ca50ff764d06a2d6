"""`lottery-report --text`: what a terminal and a pipe get."""

from collections.abc import Callable
from pathlib import Path

from lottery.report import find_runs, report_text
from lottery.report.text import WIDEST
from tests.conftest import Done, snapshot
from tests.helpers.toy_records import CONFIG, TRUNK, write_controls, write_run

SETTINGS = """\
Settings
setting         seeds  dense test %  best round  remaining %  test %  verdict
ticket              3         95.10           3        51.20   96.30  beats
random reinit       3         95.10           1        80.00   94.10  is behind
random ticket       3         95.10           1        80.00   93.10  is behind
random pruning      3         95.10           1        80.00   92.10  is behind
"""
VERDICTS = """\
Verdicts
setting         seeds  best round %  minus dense, points  against dense
ticket              3         51.20                +1.20  beats
random pruning      3         80.00                -3.00  is behind
"""
ROUNDS = """\
Rounds
round     remaining %   ES  val %  test %
0              100.00  100  95.00   95.00
1 (best)        80.00  110  96.00   96.00
2               64.00  120  94.00   94.00
"""


def test_a_terminal_shows_the_columns_it_has_room_for_and_always_the_verdict(
    tmp_path: Path,
) -> None:
    write_controls(tmp_path)
    text = report_text(*find_runs([tmp_path]), width=80)
    assert SETTINGS in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[1].startswith("Ticket: with 51.2 % of its weights this is a winning")
    assert VERDICTS in text
    assert "\n- From round" not in text  # the verdicts say it in one table


def test_a_narrow_one_shows_the_rounds_all_the_same(tmp_path: Path) -> None:
    run = write_run(tmp_path / TRUNK / "seed_0")
    text = report_text([run], ["left out: a job"], width=45)
    assert text.splitlines()[0] == f"{TRUNK}, seed 0"
    assert "\n! left out: a job\n" in text
    assert ROUNDS in text
    assert "Integrity" not in text  # folded on the page, too


def test_a_pipe_gets_every_column(report: Callable[..., Done], folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    before = snapshot(folder)
    done = report(run, "--text")
    assert (done.code, done.err) == (0, "")
    assert snapshot(folder) == before
    header = next(line for line in done.out.splitlines() if line.startswith("round "))
    assert {"parameters", "FLOPs", "steps/s"} <= set(header.split())
    assert len(header) > WIDEST
    assert "more column" not in done.out


def test_text_has_no_folder(report: Callable[..., Done], folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    done = report(run, "--text", "--out", "there")
    assert (done.code, done.out) == (2, "")
    assert "not allowed with argument --text" in done.err
    assert not (folder / "there").exists()


def test_what_would_command_the_terminal_is_shown_as_escapes(tmp_path: Path) -> None:
    lines = "\x1b]0;title\x07"
    for rate, name in ((0.1, "one"), (0.2, "two")):
        config = CONFIG | {"pruning.rate": rate, "dataset.name": f"{name}{lines}"}
        write_run(tmp_path / f"{name}-mlp-magnitude-1111" / "seed_0", canonical=config)
    text = report_text(*find_runs([tmp_path]))
    assert r"one\x1b]0;title\x07" in text
    assert all(line.isprintable() for line in text.splitlines())
