"""Runs that are not what was written: one line names the file, and other runs are still shown."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery.record.files import json_digest, read_json, write_json
from lottery.record.run_dir import RunDir
from tests.conftest import Done
from tests.helpers.damages import assert_one_line
from tests.helpers.toy_records import CONFIG, TRUNK
from tests.report.test_forests import OTHER, entry
from tests.report.test_stability import write_stability

Damage = Callable[[Path], None]
Report = Callable[..., Done]


@pytest.fixture
def report(report: Report, no_pictures: None) -> Report:
    """The command, without pictures."""
    return report


def text(content: str | bytes) -> Damage:
    def write(path: Path) -> None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def instead(make: Callable[[Path], Any]) -> Damage:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def linked(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


# Whatever is in the place of a file that a report reads
NO_FILES: dict[str, Damage] = {
    "folder": instead(Path.mkdir),
    "fifo": instead(os.mkfifo),
    "link": linked,
    "empty": text(""),
    "not UTF-8": text(b"\xff\xfe\x00{"),
}
NO_JSON: dict[str, Damage] = {
    "half": text('{"row": {'),
    "nested": text("[" * 100_000 + "]" * 100_000),
    "list": text("[]"),
    "NaN": text('{"row": NaN}'),
}


def entries(**changes: Any) -> Damage:
    """Change entries, named like `row__val`; the digest is that of a stranger, who can make it."""

    def change(path: Path) -> None:
        content = read_json(path)
        digest = content.pop("digest", None)
        for names, value in changes.items():
            *outer, last = names.split("__")
            inner = content
            for name in outer:
                inner = inner[int(name) if isinstance(inner, list) else name]
            inner[last] = value
        write_json(path, content | ({"digest": json_digest(content)} if digest else {}))

    return change


LAYER = {"weights": 1000, "remaining": 500, "live_zeros": 0, "flops": 1, "flops_remaining": 1}
RECORDS: dict[str, Damage] = {
    "row is a list": entries(row=[]),
    "layers is null": entries(layers=None),
    "val is a text": entries(row__val="0.9"),
    "val is no share": entries(row__val=7),
    "a negative count": entries(row__flops=-5),
    "a huge count": entries(row__params=10**290),
    "no parameters": entries(row__params=0),
    "a layer without weights": entries(layers={"fc1.weight": LAYER | {"weights": 0}}),
    "a layer with more than it has": entries(layers={"fc1.weight": LAYER | {"remaining": 1001}}),
    "a step that is a text": entries(history__0__iteration="first"),
    "a loss that is a list": entries(history__0__loss=[]),
    "timing is missing": entries(timing=5),
    "a negative time": entries(timing__inference_ms=-1.0),
}


def configured(**changes: Any) -> Damage:
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    return entries(config=CONFIG | dotted)


REWOUND = {
    "scheduler___target_": "lottery.training.schedules.StepDrops",
    "reinit___target_": "lottery.reinit.LrRewind",
}
RUN_JSON: dict[str, Damage] = {
    "seed is a text": entries(seed="0"),
    "rounds is a number": entries(rounds=3),
    "config is a list": entries(config=[]),
    "limit": configured(dataset__limit="many"),
    "subsample": configured(dataset__subsample=[1]),
    "units": configured(pruning__units=5),
    "rate": configured(optimizer__lr=[0.1]),
    "drops": configured(**REWOUND, scheduler__at=5),
    "a drop": configured(**REWOUND, scheduler__at=["late"]),
    "iterations": configured(**REWOUND, scheduler__at=[], iterations="for ever"),
    "steps": configured(**REWOUND, scheduler__at=[], reinit__steps=[{}]),
}


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *((file, damage) for file in ("record", "run.json") for damage in NO_FILES.values()),
        *((file, damage) for file in ("record", "run.json") for damage in NO_JSON.values()),
        *(("record", damage) for damage in RECORDS.values()),
        *(("run.json", damage) for damage in RUN_JSON.values()),
    ],
    ids=[*(2 * [*NO_FILES]), *(2 * [*NO_JSON]), *RECORDS, *RUN_JSON],
)
def test_a_damaged_run_is_named_and_others_are_shown(
    report: Report, runs: list[Path], folder: Path, file: str, damage: Damage
) -> None:
    run = RunDir(runs[0])
    path = run.round(1).record if file == "record" else run.run_json
    damage(path)
    done = report("o")
    if path.is_dir() and file == "run.json":  # then it is no run
        assert_one_line(report(runs[0]), 2, "no run.json")
        assert (done.code, done.err) == (0, "")
        return
    assert (done.code, done.err) == (0, "")
    page = (runs[1] if path.is_dir() and file == "run.json" else folder / "report") / "report.md"
    assert f"> left out: {path}: " in page.read_text()
    assert page.read_text().startswith(f"# {TRUNK}, seed 1\n")
    assert_one_line(report(runs[0]), 1, f"error: {path}: ")


def analysed(run: Path) -> list[Path]:
    write_stability(run, {(0, 0): 1.0, (2, 0): 1.0})
    folder = RunDir(run).stability
    return [folder.pairs_csv, folder.points_csv, folder.untrained_csv]


def cells(column: str, value: Any) -> Damage:
    def change(path: Path) -> None:
        table = pd.read_csv(path)
        table[column] = value
        table.to_csv(path, index=False)

    return change


TABLES: dict[str, tuple[int, Damage]] = {
    **{f"pairs {name}": (0, damage) for name, damage in NO_FILES.items()},
    **{f"points {name}": (1, damage) for name, damage in NO_FILES.items()},
    "a barrier that is a text": (0, cells("barrier_test", "high")),
    "a barrier that is infinite": (0, cells("barrier_test", float("inf"))),
    "a barrier that is empty": (0, cells("barrier_train", None)),
    "a round that is a fraction": (0, cells("round", 0.5)),
    "a round that is huge": (0, cells("round", 10**30)),
    "a distance that is a text": (0, cells("l2", "far")),
    "an error that is a text": (1, cells("error", "x")),
    "an alpha that is empty": (1, cells("alpha", None)),
    "an accuracy that is a text": (2, cells("accuracy", "good")),
    "no distance": (0, lambda path: pd.read_csv(path).drop(columns="l2").to_csv(path)),
}


@pytest.mark.parametrize(("number", "damage"), TABLES.values(), ids=TABLES)
def test_a_damaged_analysis_is_named_and_the_run_is_shown(
    report: Report, runs: list[Path], number: int, damage: Damage
) -> None:
    path = analysed(runs[0])[number]
    damage(path)
    done = report(runs[0])
    assert (done.code, done.err) == (0, "")
    page = (runs[0] / "report.md").read_text()
    assert f"> left out: {path}: " in page
    assert "## Rounds" in page
    assert "## Stability" not in page


FOREST = entry("fc1", 0.9, 0.93)
FORESTS: dict[str, Damage] = {
    **NO_FILES,
    **NO_JSON,
    "forests is a number": entries(forests=5),
    "a forest that is a number": entries(forests=[5]),
    "a round that the run lacks": entries(forests=[FOREST | {"round": 9}]),
    "no layer": entries(forests=[{k: v for k, v in FOREST.items() if k != "layer"}]),
    "FLOPs that are a text": entries(forests__0__pruned__flops="many"),
    "no FLOPs": entries(forests__0__pruned__flops=0),
    "no examples": entries(forests__0__num_test=0),
    "an accuracy that is no share": entries(forests__0__pruned__test=3),
    "nothing to compare pruned features with": entries(forests__0__dense=None),
    "another program without a name": entries(compared=[{"test": 0.5}]),
    "another program's FLOPs": entries(compared=[OTHER | {"flops": -1}]),
}


@pytest.mark.parametrize("damage", FORESTS.values(), ids=FORESTS)
def test_damaged_forests_are_named_and_the_run_is_shown(
    report: Report, runs: list[Path], damage: Damage
) -> None:
    path = RunDir(runs[0]).ticket.hybrid_json
    write_json(path, {"forests": [FOREST], "compared": [OTHER]})
    assert report(runs[0]).code == 0
    assert "left out" not in (runs[0] / "report.md").read_text()
    damage(path)
    done = report(runs[0])
    assert (done.code, done.err) == (0, "")
    page = (runs[0] / "report.md").read_text()
    assert f"> left out: {path}: " in page
    assert "Forests on" not in page


def test_forests_without_the_dense_round_are_named(report: Report, runs: list[Path]) -> None:
    path = RunDir(runs[0]).ticket.hybrid_json
    write_json(path, {"forests": [FOREST], "compared": []})
    RunDir(runs[0]).round(0).record.unlink()
    assert report(runs[0]).code == 0
    assert f"> left out: {path}: " in (runs[0] / "report.md").read_text()


JOBS: dict[str, Damage] = {
    **NO_FILES,
    **NO_JSON,
    "no run": entries(run=5),
    "a long name": entries(run="x" * 5000),
}


@pytest.mark.parametrize("damage", JOBS.values(), ids=JOBS)
def test_a_sweeps_damaged_job_is_named(
    report: Report, runs: list[Path], folder: Path, damage: Damage
) -> None:
    jobs = folder / "sweep" / "jobs"
    for number, run in enumerate(runs):
        job = {"job": number, "overrides": [], "run": str(run), "status": "finished"}
        write_json(jobs / f"{number}.json", job | {"message": "", "row": None})
    damage(jobs / "0.json")
    done = report("sweep", "--out", "sweep")
    assert (done.code, done.err) == (0, "")
    page = (folder / "sweep" / "report.md").read_text()
    assert page.startswith(f"# {TRUNK}, seed 1\n")
    assert f"> left out: {jobs / '0.json'}: " in page
