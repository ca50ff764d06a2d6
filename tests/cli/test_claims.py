"""`lottery-claims`: what it lists, what it would run, its verdicts, and mistakes in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.claims import write
from lottery.claims.read import read_claims
from lottery.claims.runs_file import ClaimRuns, write_claim_runs
from tests.conftest import Done
from tests.helpers.toy_claims import toy_arm

Claims = Callable[..., Done]


def test_all_claims_are_listed_with_their_cost(claims: Claims) -> None:
    done = claims("list")
    assert (done.code, done.err) == (0, "")
    ids = [line for line in done.out.splitlines() if not line.startswith(" ")]
    assert ids == list(read_claims())
    assert "    full: 105 trainings of 50,000 steps; small: 80 trainings" in done.out
    assert "    cannot be run yet: lottery lacks" in done.out


def test_a_dry_run_prints_the_sweeps_and_writes_nothing(claims: Claims, folder: Path) -> None:
    done = claims("run", "fc19_ladder", "--dry-run", "zhou19_criteria", "scale=small")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == ("ticket of fc19_ladder: 5 seeds, 80 trainings; 0 of 5 runs are finished")
    assert lines[1].startswith("    lottery -m dataset=mnist dataset.subsample=0.1 rounds=15")
    assert lines[1].endswith(" seed=0,1,2,3,4")
    assert [line.split()[0] for line in lines[2::2]] == ["large_final", "increase", "random"]
    more = claims("run", "fc19_ladder", "scale=small", "--seeds", "7", "--dry-run")
    assert "7 seeds, 112 trainings" in more.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "nope"], "nope: no such claim; `lottery-claims list` lists them"),
        (["run", "all", "scale=tiny"], "scale=tiny: one of full, small"),
        (["run", "scale=small"], "no claim is named"),
        (["run", "you20_early_bird"], "cannot be run yet: lottery lacks channels chosen"),
        (["run", "fc19_ladder", "iterations=3"], "iterations=3: changes results or seeds"),
        (["run", "fc19_ladder", "output_dir=/proc/x"], "output_dir: /proc/x cannot be written"),
        (["judge", "."], "no claims/ in it, which `lottery-claims run` makes in outputs"),
        (["judge", "missing"], "missing: no claims/ in it"),
    ],
)
def test_a_mistake_is_one_line(claims: Claims, folder: Path, words: list[str], line: str) -> None:
    done = claims(*words)
    error = done.err.splitlines()
    assert (done.code, len(error)) == (2, 1)
    assert line in error[0]
    assert list(folder.iterdir()) == []


def test_an_unknown_option_is_refused(claims: Claims) -> None:
    done = claims("run", "fc19_ladder", "--fast")
    assert done.code == 2
    assert "unrecognized arguments: --fast" in done.err


@pytest.mark.parametrize("seeds", ["0", "-1", "10001", "many"])
def test_a_wrong_number_of_seeds_is_refused(claims: Claims, seeds: str) -> None:
    done = claims("run", "fc19_ladder", "--dry-run", f"--seeds={seeds}")
    assert done.code == 2
    assert f"argument --seeds: '{seeds}': a whole number from 1 to 10,000" in done.err


def test_verdicts_are_printed_and_written_on_a_page(
    claims: Claims, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = read_claims()["fc19_matches_at_3_6"]
    accuracies = [[0.95] + [0.96] * 14 + [0.953 + 0.001 * seed] for seed in range(5)]
    toy_arm(folder / "T", accuracies)
    write_claim_runs(folder, known, "small", ClaimRuns(5, {"ticket": ["T"]}))
    monkeypatch.setattr(write, "save_figure", lambda figure, folder: None)
    done = claims("judge", ".")
    assert (done.code, done.err) == (0, "")
    # +0.3 to +0.7 points, mean 0.5, half width 2.776 * 0.158 / sqrt(5) = 0.196
    found = (
        "test accuracy of ticket at 3.6 % minus that of ticket's dense network: "
        "above -0.5 points; found +0.50 (+0.30 to +0.70) points: holds"
    )
    assert "fc19_matches_at_3_6 (small scale, 5 seeds): holds\n" in done.out
    assert f"    {found}\n" in done.out
    assert "fc19_conv_2: cannot say\n" in done.out
    assert done.run == folder / "claims" / "claims.html"
    text = (folder / "claims" / "claims.md").read_text()
    assert text.startswith("# Published claims, judged by our runs\n")
    assert "holds: 1, does not hold: 0, cannot say: 36" in text
    assert f"- T{found[1:]}." in text.replace("\\", "")
    assert "<title>Published claims" in done.run.read_text()
    again = claims("judge", ".", "--out", "there")
    assert again.run == folder / "there" / "claims.html"
    assert again.run.read_text() == done.run.read_text()
