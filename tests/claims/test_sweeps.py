"""Claims run by real sweeps: what is shared, carried on, stopped by a signal, and judged."""

import os
import signal
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from lottery.claims.claim import Claim
from lottery.claims.judge import HOLDS, judge_claim
from lottery.claims.read import claim_of
from lottery.claims.resolve import ArmRuns
from lottery.claims.runs_file import ClaimRuns, read_claim_runs, write_claim_runs
from lottery.claims.sweeps import Sweep, SweepsFailed, do_sweeps, find_sweeps, note_runs
from lottery.record.records import read_run_json
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from tests.conftest import PATIENCE
from tests.helpers.forked import print_to


def claim(*overrides: str) -> Claim:
    return claim_of(
        "toy",
        {
            "statement": "nothing is left out",
            "source": {"paper": "P", "place": "figure 1", "read": "text"},
            "arms": {"ticket": {}},
            "rules": [{"kind": "left", "of": "ticket", "round": 0, "above": 99}],
            "small": {
                "overrides": ["rounds=0", "trainer.threads=1", "logger=none", *overrides],
                "seeds": 3,
                "cost": "seconds",
            },
        },
    )


def test_a_sweep_is_done_once_and_judged(folder: Path) -> None:
    toy = claim("iterations=10", "evaluation.every=10")
    sweeps, arms = find_sweeps([toy, toy], "small")
    assert len(sweeps) == 1
    assert sweeps[0].describe().startswith("ticket of toy: 3 seeds, 3 trainings; 0 of 3 runs")
    outputs = note_runs([toy], "small", arms, None)
    assert outputs == folder / "outputs"
    (line,) = do_sweeps(sweeps)
    assert line.startswith("[1/1] ticket of toy")
    assert list(do_sweeps(sweeps)) == ["[1/1] finished"]
    (verdict,) = judge_claim(toy, [outputs])
    assert verdict.verdict == HOLDS


def test_two_processes_may_note_the_runs_of_one_claim_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, sync = ClaimRuns(3, {"ticket": ["T"]}), os.fsync
    meanwhile = [True]

    def sync_and_let_another_one_write(descriptor: int) -> None:
        if meanwhile:
            meanwhile.clear()
            write_claim_runs(folder, claim(), "small", runs)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_and_let_another_one_write)
    write_claim_runs(folder, claim(), "small", runs)
    assert not meanwhile
    assert read_claim_runs(folder, claim(), "small") == runs
    assert [path.name for path in (folder / "claims").iterdir()] == ["toy.small.json"]


def test_a_signal_reaches_the_sweep_which_saves_its_run(folder: Path) -> None:
    toy = claim("iterations=10000000", "checkpoint.every_seconds=1")
    sweeps, _ = find_sweeps([toy], "small")

    def work() -> None:
        print_to(folder / "out.txt", folder / "err.txt")
        try:
            list(do_sweeps(sweeps))
        except Stopped as stop:
            sys.exit(128 + stop.signum)

    process = get_context("fork").Process(target=work)
    process.start()
    run = sweeps[0].runs[0]
    until = time.monotonic() + PATIENCE
    while not run.round(0).checkpoint.exists() and time.monotonic() < until:
        assert process.is_alive(), (folder / "err.txt").read_text()
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(PATIENCE)
    assert process.exitcode == 128 + signal.SIGTERM
    assert read_run_json(run)["status"] == "interrupted"
    assert not sweeps[0].runs[1].run_json.exists()


def test_a_sweep_that_fails_is_told_at_the_end(folder: Path) -> None:
    (folder / "outputs").write_text("in the way")
    sweeps, _ = find_sweeps([claim("iterations=10", "evaluation.every=10")], "small")
    with pytest.raises(SweepsFailed, match="1 of 1 sweeps are not whole"):
        list(do_sweeps(sweeps))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\n", b"round,pair\n0,0\n" * 2])
def test_a_damaged_table_is_not_analysed(folder: Path, content: bytes) -> None:
    """`lottery-stability` is called, which tells what is damaged."""
    run = RunDir(folder / "seed_0")
    run.stability.path.mkdir(parents=True)
    run.stability.pairs_csv.write_bytes(content)
    arm = ArmRuns("a", (), folder, rounds=(0,), stability=(0,))
    assert Sweep(arm, seeds=1, pairs=2, claims=()).not_analysed == [run]
    run.stability.pairs_csv.write_text("round,pair\n0,0\n0,1\n")
    assert Sweep(arm, seeds=1, pairs=2, claims=()).not_analysed == []
