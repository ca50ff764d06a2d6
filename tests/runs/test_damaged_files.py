"""Damaged files: a clear line or the same numbers, and no finished round is lost."""

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.api import load_run
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.records import read_record, read_run_json, write_record
from lottery.record.run_dir import RunDir
from lottery.record.tables import write_tables
from lottery.runs.sweep import Sweep
from lottery.tensors import digest, load_tensors, save_tensors
from tests.conftest import TINY, Done, Lottery, result_tables
from tests.helpers.damages import assert_one_line, change, empty, round_files, truncate
from tests.helpers.toy_rows import toy_record

DAMAGES = (truncate, empty, change)


def _flip(file: Path, content: bytes, place: int) -> None:
    """Flip one bit of one byte; another bit for each byte."""
    changed = bytearray(content)
    changed[place] ^= 1 << place % 8
    file.write_bytes(changed)


def _unless_damaged(read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return read()
    except DamagedFile:
        return None


# Single files


def test_a_tensor_file_with_any_byte_changed_gives_the_same_tensors_or_none(
    tmp_path: Path,
) -> None:
    tensors = {"w": torch.arange(6.0).reshape(2, 3), "mask": torch.tensor([True, False])}
    path = tmp_path / "t.safetensors"
    save_tensors(path, tensors)
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        _flip(path, content, place)
        read = _unless_damaged(partial(load_tensors, path))
        assert read is None or digest(read) == digest(tensors), place
        noticed += read is None
    assert noticed > 0.8 * len(content)  # the rest are the name of the digest, and blanks
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFile):
            load_tensors(path)


def test_tensor_files_of_the_first_release_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "t.safetensors")
    path = tmp_path / "t.safetensors"
    assert load_tensors(path, needs_digest=False)["w"].tolist() == [1.0, 1.0]
    with pytest.raises(DamagedFile, match=r"damaged: it states no digest; remove "):
        load_tensors(path)


def test_a_record_with_any_byte_changed_is_the_same_or_none(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_record(run, toy_record(3))
    path = run.round(3).record
    content = path.read_bytes()
    noticed = 0
    for place in range(len(content)):
        _flip(path, content, place)
        record = _unless_damaged(partial(read_record, run.round(3)))
        assert record is None or record.items() >= toy_record(3).items(), place
        noticed += record is None
    assert noticed > 0.8 * len(content)
    path.write_bytes(b"")
    line = f"{path}: damaged: empty; remove it to do round 3 again"
    with pytest.raises(DamagedFile, match=f"^{re.escape(line)}$"):
        read_record(run.round(3))


def test_records_of_the_first_release_are_read(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.round(0).path.mkdir(parents=True)
    run.round(0).record.write_text(json.dumps(toy_record(0)))
    assert read_record(run.round(0)) == toy_record(0)
    run.round(0).record.write_text(json.dumps(toy_record(0)).replace('"row"', '"rov"'))
    with pytest.raises(DamagedFile):
        read_record(run.round(0))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"config": {}}', "\0" * 40])
def test_a_run_json_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(
        DamagedFile, match=f"^{tmp_path}/run.json: damaged: .*; remove it, and the "
    ):
        read_run_json(RunDir(tmp_path))


def test_who_changed_a_table_is_told_but_not_who_adds_rounds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunDir(tmp_path)
    for number in (None, 1, 0, 2):  # in any order: criterion.rounds leaves some out
        if number is not None:
            write_record(run, toy_record(number))
        write_tables(OpenedRun(run))
    assert caplog.text == ""
    whole = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    assert len(whole) == 4
    for file, content in whole.items():
        for damage in DAMAGES:
            damage(file)
            write_tables(OpenedRun(run))
            assert f"{file}: was damaged; made again from the rounds' records" in caplog.text
            assert file.read_bytes() == content
            caplog.clear()


def test_a_damaged_job_hides_no_other_in_a_sweeps_table(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for number in (0, 1, 2):
        sweep.note(
            {
                "job": number,
                "overrides": [f"seed={number}"],
                "run": str(tmp_path / "run"),
                "status": "finished",
                "message": "",
                "row": toy_record(1)["row"],
            }
        )
    assert sweep.all_finished()
    for text in ("", "{", "[]", "{}"):
        (tmp_path / "jobs" / "1.json").write_text(text)
        assert not sweep.all_finished()
        summary = sweep.summary()
        assert re.search(r"0 +seed=0 +finished", summary)
        assert re.search(r"2 +seed=2 +finished", summary)
        assert f"job 1 unknown: {tmp_path}/jobs/1.json: damaged" in summary


# Every kind of file of a finished run

BOTH = (truncate, change)
KINDS = {
    **dict.fromkeys(("run.json", "rounds/00/round.json", "rounds/00/start.safetensors"), BOTH),
    **dict.fromkeys(("results.csv", "results.json", "history.csv", "timing.csv"), BOTH),
    "rounds/01/masks.safetensors": (change,),
    "rounds/01/final.safetensors": (truncate,),
    "rounds/01/es.safetensors": (change,),
    "lottery.log": (truncate,),
    ".hydra/config.yaml": (change,),
    "tensorboard/rounds/events.out.tfevents.round_0000": (change,),
}


@pytest.fixture
def spare(lottery: Lottery, folder: Path) -> Callable[[], Path]:
    """`spare()` is the folder of a finished run in `output_dir=spare`, new each time."""
    run = lottery(*TINY).run

    def copy() -> Path:
        shutil.rmtree(folder / "spare", ignore_errors=True)
        path = folder / "spare" / run.parent.name / run.name
        return Path(shutil.copytree(run, path))

    return copy


def test_damaged_files_of_a_finished_run(lottery: Lottery, spare: Callable[[], Path]) -> None:
    look = (*TINY, "output_dir=spare")
    more = (*look, "rounds=2", "logger=none")
    run = spare()
    shown, tables = lottery(*look).out, result_tables(run)
    lottery(*more)
    longer = result_tables(run)
    refused = set()
    for kind, damages in KINDS.items():
        for damage in damages:
            run = spare()
            whole = round_files(run)
            damage(run / kind)
            damaged = round_files(run)
            done = lottery(*look)
            if done.code:
                assert_one_line(done, 1, str(run / kind))
            else:
                assert (done.out, result_tables(run)) == (shown, tables), (kind, damage)
            assert round_files(run) == damaged  # whatever the message is, nothing is lost
            if kind.startswith("rounds") or kind == "run.json":
                done = lottery(*more)
                if done.code:
                    refused.add(kind)
                    assert_one_line(done, 1, str(run / kind))
                    assert round_files(run).items() >= damaged.items()
                    _do_as_told(done, run / kind)
                    done = lottery(*more)
                assert done.code == 0, done.err
                assert result_tables(run) == longer, (kind, damage)
                redone = run / kind, (run / kind).with_name("round.json")  # it has times
                others = {file: content for file, content in whole.items() if file not in redone}
                assert round_files(run).items() >= others.items()
    assert refused == {
        "run.json",
        "rounds/00/round.json",
        "rounds/00/start.safetensors",
        "rounds/01/masks.safetensors",
        "rounds/01/final.safetensors",
    }


def _do_as_told(done: Done, file: Path) -> None:
    line = done.err.splitlines()[-1]
    if "remove it" in line:
        file.unlink()
    else:
        assert f"remove {file.parent} to do that round again" in line
        shutil.rmtree(file.parent)


def test_python_refuses_damaged_files_too(spare: Callable[[], Path]) -> None:
    run = load_run(spare())
    change(run.path / "rounds/01/es.safetensors")
    assert run.weights(1, "final").keys() == run.weights(0).keys()
    with pytest.raises(DamagedFile, match=r"es.safetensors: damaged"):
        run.model(1)
    change(run.path / "rounds/01/masks.safetensors")
    with pytest.raises(DamagedFile, match=r"masks.safetensors: damaged"):
        run.masks(1)
    change(run.path / "rounds/01/round.json")
    run = load_run(run.path)
    for table in ("results", "history", "layers"):
        with pytest.raises(DamagedFile, match=r"round.json: damaged"):
            getattr(run, table)
