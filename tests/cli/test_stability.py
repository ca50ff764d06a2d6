"""`lottery-stability`: what it takes, what it prints and keeps, what it says of mistakes."""

import shlex
import signal
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.record.files import read_json, write_json
from lottery.record.run_dir import RunDir
from lottery.runs.run_lock import locked
from lottery.signals import StopRequest
from lottery.stability import run as api
from tests.conftest import TINY, Done, Lottery, snapshot
from tests.helpers.foreign import link_again
from tests.helpers.toy_images import toy_images

Stability = Callable[..., Done]
FEW = ("--pairs", "1", "--points", "3")


def test_the_dense_network_and_the_winning_round_are_analysed_once(
    lottery: Lottery, stability: Stability
) -> None:
    run = lottery(*TINY).run
    before = snapshot(run)
    done = stability(run, *FEW)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == str(run / "stability")
    assert before.items() <= snapshot(run).items()
    summary = pd.read_csv(run / "stability" / "summary.csv")
    assert list(summary["round"]) == [0, 1]
    assert list(summary["step"]) == [0, 0]
    for row in summary.to_dict("records"):
        assert f"{100 * row['barrier_test']:.2f} (" in done.out
    assert "BatchNorm" not in done.out
    tables = {name: time for name, time in snapshot(run).items() if name.endswith("s")}
    again = stability(run, *FEW)
    assert again.out == done.out
    assert tables == {name: t for name, t in snapshot(run).items() if name.endswith("s")}
    more = stability(run, "--rounds", "1", "--steps", "1ep", "--points", "3", "--pairs", "1")
    assert more.code == 2
    assert "--steps: 1ep is step 20; round 1 goes from step 0 to 20" in more.err
    assert stability(run, "--rounds", "1", "--steps", "0,10", *FEW).code == 0
    summary = pd.read_csv(run / "stability" / "summary.csv")
    assert list(zip(summary["round"], summary["step"], strict=True)) == [(0, 0), (1, 0), (1, 10)]


def test_mistakes_are_one_line_and_leave_nothing(
    lottery: Lottery, stability: Stability, folder: Path
) -> None:
    run = lottery(*TINY).run
    before = snapshot(folder)
    for arguments, line in (
        ([folder / "nowhere"], "nowhere: not the folder of a run (no run.json in it)"),
        ([run.parent], "not the folder of a run"),
        ([run, "--rounds", "0,7"], "--rounds: round 7 is not finished; accepted: 0, 1"),
        ([run, "--steps", "20"], "--steps: 20 is step 20; round 0 goes from step 0 to 20"),
        ([run, "--steps", "soon"], "--steps: 'soon': a number of steps ('500' or '500it')"),
        ([run, "--pairs", "0"], "--pairs=0: 1 or more"),
        ([run, "--points", "2"], "--points=2: 3 or more"),
    ):
        done = stability(*arguments)
        assert done.code == 2, done.err
        assert len(done.err.splitlines()) == 1, done.err
        assert done.err.startswith("error: ")
        assert line in done.err
        assert done.out == ""
    assert "--rounds: 'all': round numbers, such as 0,7" in stability(run, "--rounds", "all").err
    assert snapshot(folder) == before


def test_data_must_be_those_of_the_run(lottery: Lottery, stability: Stability) -> None:
    run = lottery(*TINY).run
    entry = read_json(run / "run.json")
    write_json(run / "run.json", entry | {"digests": {"data": "another"}})
    link_again(RunDir(run))
    done = stability(run)
    assert done.code == 2
    assert "began with other content of data" in done.err
    write_json(run / "run.json", {k: v for k, v in entry.items() if k != "settings"})
    link_again(RunDir(run))
    done = stability(run)
    assert done.code == 2
    assert "did not keep all settings" in done.err


def test_what_keep_winner_has_dropped_is_named(lottery: Lottery, stability: Stability) -> None:
    run = lottery(*TINY, "rounds=4", "keep=winner", "reinit=none").run
    kept = {number for number in range(5) if RunDir(run).round(number).final.exists()}
    dropped = next(number for number in range(1, 4) if number not in kept)
    done = stability(run, "--rounds", str(dropped + 1), *FEW)
    assert done.code == 2
    assert f"rounds/0{dropped}/final.safetensors, which keep=winner has dropped" in done.err


def test_a_run_of_several_devices_is_analysed_on_one(
    lottery: Lottery, stability: Stability
) -> None:
    run = lottery(*TINY, "rounds=0").run
    entry = read_json(run / "run.json")
    entry["settings"]["trainer"]["devices"] = 2
    write_json(run / "run.json", entry)
    done = stability(run, *FEW)
    assert done.code == 0, done.err
    assert "the run trained on 2 devices; its copies are trained on one" in done.err


@pytest.mark.usefixtures("thin_vgg")
def test_a_head_over_a_frozen_base_is_analysed_on_its_features(
    lottery: Lottery, stability: Stability
) -> None:
    head = ("model=vgg_16_head", "model.fc2=16", "model.weights=random", "logger=none")
    run = lottery(*TINY, *toy_images(), *head).run
    done = stability(run, *FEW, "--trust-code")
    assert done.code == 0, done.err
    assert "computing the features" not in done.err
    assert list(pd.read_csv(run / "stability" / "summary.csv")["round"]) == [0, 1]


def test_lines_between_rounds_and_to_another_run(lottery: Lottery, stability: Stability) -> None:
    run, other = lottery(*TINY).run, lottery(*TINY, "seed=1").run
    between = stability(run, "--between", "rounds", "--points", "3")
    assert between.code == 0, between.err
    assert between.out.splitlines()[-1] == str(run / "stability")
    assert stability(run, "--with", other, "--points", "3").code == 0
    aligned = stability(run, "--with", other, "--points", "3", "--align", "weights")
    assert "seed_1 round 0  weights" in aligned.out
    lines = pd.read_csv(run / "stability" / "lines.csv", keep_default_na=False)
    name = f"{other.parent.name}-seed_1"
    assert list(zip(lines["round"], lines["other"], lines["align"], strict=True)) == [
        (0, "", "none"),
        *((number, name, "none") for number in (0, 1)),
        *((number, name, "weights") for number in (0, 1)),
    ]
    by_align = lines[lines["other"] == name].groupby("align")["l2"].mean()
    assert by_align["weights"] < by_align["none"]
    assert {path.name for path in (run / "stability").iterdir()} - {".lock"} == {
        *("lines", "lines.csv", "line_points.csv")
    }
    before = snapshot(run)
    for arguments, line in (
        ([run, "--align", "weights"], "--align weights: only with --between or --with"),
        ([run, "--with", other, "--pairs", "2"], "--pairs: of copies; not with --between or"),
        ([run, "--between", "rounds", "--steps", "0"], "--steps: of copies; not with --between"),
        ([run, "--between", "rounds", "--rounds", "1"], "a line needs two finished rounds"),
        ([run, "--with", other, "--rounds", "7"], "round 7 is not finished; accepted: 0, 1"),
        ([run, "--with", run.parent], "not the folder of a run"),
        ([run, "--between", "rounds", "--points", "2"], "--points=2: 3 or more"),
    ):
        done = stability(*arguments)
        assert (done.code, done.out) == (2, ""), done.err
        assert len(done.err.splitlines()) == 1, done.err
        assert line in done.err
    RunDir(other).round(1).final.unlink()
    done = stability(run, "--with", other)
    assert done.code == 2
    assert "round 1 needs" in done.err
    assert "which keep=winner has dropped" in done.err
    assert snapshot(run) == before


def test_one_process_at_a_time(lottery: Lottery, stability: Stability) -> None:
    run = lottery(*TINY, "rounds=0").run
    with locked(run / "stability", wait=False):
        done = stability(run, *FEW)
    assert done.code == 2
    assert "is working here" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_signal_stops_it_and_the_command_carries_on(
    lottery: Lottery, stability: Stability, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lottery(*TINY, "rounds=0").run
    measure = api.analyse_stability

    def interrupted(*arguments: Any) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(StopRequest, "listening", _listening_and_told)
            return measure(*arguments)

    monkeypatch.setattr(api, "analyse_stability", interrupted)
    done = stability(run, *FEW)
    assert done.code == 128 + signal.SIGTERM
    command = shlex.join(["lottery-stability", str(run), *FEW])
    assert done.err.splitlines()[-1].startswith("stopped by SIGTERM in round 0 at step ")
    assert done.err.splitlines()[-1].endswith(f"; resume with: {command}")
    monkeypatch.setattr(api, "analyse_stability", measure)
    assert "round 0: carrying on from step" in stability(run, *FEW).err


def _listening_and_told(request: StopRequest) -> Any:
    request.signum = signal.SIGTERM
    return nullcontext()
