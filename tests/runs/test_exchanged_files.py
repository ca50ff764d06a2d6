"""Files exchanged, changed or replaced by something else: one line, and a way back to the run."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import lottery as package
from lottery.api import load_run
from lottery.cli import report as report_command
from lottery.cli import stability as stability_command
from lottery.record.files import json_digest
from lottery.tensors import digest, load_tensors, save_tensors
from tests.conftest import TINY, Done, Lottery, result_tables
from tests.helpers.damages import assert_one_line

COMMAND = (
    *TINY,
    "logger=none",
    "model.rates=[]",
    "reinit.to=5",
    "reinit.optimizer_state=restored",
)
Change = Callable[[Path, Path], None]  # of the run, with files of another seed's run


# What is done to a run with rounds 0, 1 and 2


def swap(one: str, two: str) -> Change:
    def change(run: Path, other: Path) -> None:
        first, second = run / "rounds" / one, run / "rounds" / two
        first.rename(run / "aside")
        second.rename(first)
        (run / "aside").rename(second)

    return change


def copy(source: str, target: str, *, foreign: bool = False) -> Change:
    def change(run: Path, other: Path) -> None:
        there, here = (other if foreign else run) / "rounds" / source, run / "rounds" / target
        if there.is_dir():
            shutil.rmtree(here)
            shutil.copytree(there, here)
        else:
            shutil.copyfile(there, here)

    return change


def edit_tensor(file: str, *, renew_digest: bool) -> Change:
    """Change one value, and leave the digest out or compute it again."""

    def change(run: Path, other: Path) -> None:
        path = run / "rounds" / file
        tensors = load_tensors(path)
        first = tensors["fc1.weight"].view(-1)
        first[0] = ~first[0] if first.dtype == torch.bool else first[0] + 1
        _write(path, tensors, stated=renew_digest)

    return change


def edit_record(number: int, *names: str, value: Any, renew_digest: bool = False) -> Change:
    """Change an entry of a round's record, and leave the digest out or compute it again."""

    def change(run: Path, other: Path) -> None:
        path = run / f"rounds/0{number}/round.json"
        entry = json.loads(path.read_text())
        del entry["digest"]
        inner = entry
        for name in names[:-1]:
            inner = inner[name]
        inner[names[-1]] = value
        if renew_digest:
            entry["digest"] = json_digest(entry)
        path.write_text(json.dumps(entry))

    return change


def as_version_0_1(run: Path, other: Path) -> None:
    """Take away all that version 0.1 did not write, and change a number."""
    path = run / "rounds/02/round.json"
    entry = json.loads(path.read_text())
    del entry["digest"], entry["links"], entry["format"]
    entry["row"]["val"] = 0.99
    path.write_text(json.dumps(entry))


def tensors_of(file: str, make: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    def change(run: Path, other: Path) -> None:
        path = run / "rounds" / file
        _write(path, make(load_tensors(path)), stated=True)

    return change


def text(file: str, content: bytes) -> Change:
    return lambda run, other: (run / "rounds" / file).write_bytes(content) and None


def instead(file: str, make: Callable[[Path], None]) -> Change:
    def change(run: Path, other: Path) -> None:
        (run / "rounds" / file).unlink()
        make(run / "rounds" / file)

    return change


def remove(file: str) -> Change:
    return instead(file, lambda path: None)


def _write(path: Path, tensors: dict[str, Any], *, stated: bool) -> None:
    save_file(tensors, path, metadata={"digest": digest(tensors)} if stated else None)


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def _nan(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.full(mask.shape, float("nan")) for name, mask in tensors.items()}


def _flat(tensors: dict[str, Any]) -> dict[str, Any]:
    return tensors | {"fc1.weight": tensors["fc1.weight"].reshape(-1)}


MASKS, FINAL, START = "masks.safetensors", "final.safetensors", "start.safetensors"
RECORD = "round.json"
LARGE_HEADER = (99 << 20).to_bytes(8, "little") + b" " * (99 << 20)
OTHER = "it is not the file that the round's record names"

# By what is done: the file that the first line names, and what it says of it
CASES: dict[str, tuple[Change, str, str]] = {
    "masks swapped": (swap(f"01/{MASKS}", f"02/{MASKS}"), f"02/{MASKS}", OTHER),
    "masks copied": (copy(f"01/{MASKS}", f"02/{MASKS}"), f"02/{MASKS}", OTHER),
    "masks of a seed": (copy(f"02/{MASKS}", f"02/{MASKS}", foreign=True), f"02/{MASKS}", OTHER),
    "final copied": (copy(f"01/{FINAL}", f"02/{FINAL}"), f"02/{FINAL}", OTHER),
    "final of a seed": (copy(f"02/{FINAL}", f"02/{FINAL}", foreign=True), f"02/{FINAL}", OTHER),
    "es of round 1 over final": (
        copy("01/es.safetensors", f"02/{FINAL}"),
        f"02/{FINAL}",
        OTHER,
    ),
    "W_0 of a seed": (copy(f"00/{START}", f"00/{START}", foreign=True), f"00/{START}", OTHER),
    "final over W_0": (copy(f"00/{FINAL}", f"00/{START}"), f"00/{START}", OTHER),
    "folders": (swap("01", "02"), f"01/{RECORD}", "it is the record of round 2"),
    "records": (
        swap(f"01/{RECORD}", f"02/{RECORD}"),
        f"01/{RECORD}",
        "it is the record of round 2",
    ),
    "a folder of a seed": (
        copy("02", "02", foreign=True),
        f"02/{RECORD}",
        "it is of another run than",
    ),
    "a weight": (edit_tensor(f"02/{FINAL}", renew_digest=False), f"02/{FINAL}", OTHER),
    "a weight, digested": (edit_tensor(f"02/{FINAL}", renew_digest=True), f"02/{FINAL}", OTHER),
    "a mask": (edit_tensor(f"02/{MASKS}", renew_digest=False), f"02/{MASKS}", OTHER),
    "a mask, digested": (edit_tensor(f"02/{MASKS}", renew_digest=True), f"02/{MASKS}", OTHER),
    "val": (edit_record(1, "row", "val", value=0.99), f"01/{RECORD}", "digest is missing"),
    "val, digested": (
        edit_record(1, "row", "val", value=0.99, renew_digest=True),
        f"01/{RECORD}",
        "not the record that",
    ),
    "a link, digested": (
        edit_record(1, "links", "files", "masks.safetensors", value="ab", renew_digest=True),
        f"01/{RECORD}",
        "not the record that",
    ),
    "val, as version 0.1": (as_version_0_1, f"02/{RECORD}", "links is missing, which other"),
    "no optimizer": (
        remove("00/rewind_optimizer.safetensors"),
        "00/rewind_optimizer.safetensors",
        "missing; remove",
    ),
    "no final": (remove(f"02/{FINAL}"), f"02/{FINAL}", "missing; remove"),
    "a row": (edit_record(1, "row", value=[]), f"01/{RECORD}", "row is a list, an object exp"),
    "layers": (edit_record(1, "layers", value=None), f"01/{RECORD}", "layers is null, an obj"),
    "a text": (edit_record(1, "row", "val", value="x"), f"01/{RECORD}", "row.val is 'x', a num"),
    "no val": (edit_record(1, "row", value={"round": 1}), f"01/{RECORD}", "row.ES is missing"),
    "NaN": (
        edit_record(1, "row", "val", value=float("nan"), renew_digest=False),
        f"01/{RECORD}",
        "NaN is no finite number",
    ),
    "nested": (text(f"01/{RECORD}", b"[" * 100_000), f"01/{RECORD}", "nested more than 64 deep"),
    "a record's folder": (instead(f"01/{RECORD}", Path.mkdir), f"01/{RECORD}", "it is a folder"),
    "a record's fifo": (instead(f"01/{RECORD}", os.mkfifo), f"01/{RECORD}", "it is a fifo"),
    "NaN masks": (tensors_of(f"02/{MASKS}", _nan), f"02/{MASKS}", OTHER),
    "a layer": (tensors_of(f"02/{MASKS}", _without("fc1.weight")), f"02/{MASKS}", OTHER),
    "a shape": (tensors_of(f"02/{MASKS}", _flat), f"02/{MASKS}", OTHER),
    "a header": (text(f"02/{MASKS}", LARGE_HEADER), f"02/{MASKS}", "a header of 103,809,024"),
    "a folder": (instead(f"02/{MASKS}", Path.mkdir), f"02/{MASKS}", "it is a folder"),
    "a fifo": (instead(f"02/{FINAL}", os.mkfifo), f"02/{FINAL}", "it is a fifo"),
    "a link": (
        instead(f"02/{FINAL}", lambda path: path.symlink_to("es.safetensors")),
        f"02/{FINAL}",
        "it is a link",
    ),
    "a bias": (tensors_of(f"02/{FINAL}", _without("fc1.bias")), f"02/{FINAL}", OTHER),
    "a weight's shape": (tensors_of(f"02/{FINAL}", _flat), f"02/{FINAL}", OTHER),
}


# A run that is started again looks for these first
SPECIAL = {
    "a record's fifo": (2, "a special file; remove it"),
    "a fifo": (2, "a special file; remove it"),
    "a link": (2, "a link; remove it"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, bytes]]:
    """A run of rounds 0 to 2, another seed's, and the tables of the first with a round more."""
    folder = tmp_path_factory.mktemp("runs")
    run, other = (
        package.run(*COMMAND, "rounds=2", f"seed={seed}", f"output_dir={folder}").path
        for seed in (0, 1)
    )
    longer = package.run(*COMMAND, "rounds=3", f"output_dir={folder}/longer").path
    return run, other, result_tables(longer)


@pytest.fixture
def spare(runs: tuple[Path, Path, dict[str, bytes]], folder: Path) -> Path:
    """A copy of the first run, in `output_dir=spare`."""
    run = runs[0]
    return Path(shutil.copytree(run, folder / "spare" / run.parent.name / run.name))


@pytest.mark.parametrize("name", CASES)
def test_the_run_refuses_in_one_line_and_after_the_named_repair_it_is_the_same(
    lottery: Lottery, runs: tuple[Path, Path, dict[str, bytes]], spare: Path, name: str
) -> None:
    change, file, fault = CASES[name]
    change(spare, runs[1])
    code, fault = SPECIAL.get(name, (1, fault))
    done = lottery(*COMMAND, "rounds=3", "output_dir=spare")
    assert_one_line(done, code, f"{spare}/rounds/{file}: ", fault)
    for _ in range(4):
        _repair(done)
        done = lottery(*COMMAND, "rounds=3", "output_dir=spare")
        if done.code == 0:
            break
        assert_one_line(done, 1, f"{spare}/rounds/")
    assert done.code == 0, done.err
    assert result_tables(spare) == runs[2]


def _repair(done: Done) -> None:
    """Do what the last line says."""
    line = done.err.splitlines()[-1]
    if "remove it, or choose" in line:
        files = re.findall(r"error: (\S+): a ", line)
    elif "remove it" in line or "remove both" in line:
        files = re.findall(r"/\S*/round\.json", line)
    else:
        files = re.findall(r"remove (\S+) to do that round again", line)
    assert files, line
    for path in map(Path, files):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "name", ["a row", "NaN", "a record's folder", "a record's fifo", "val, digested", "folders"]
)
def test_every_command_names_a_damaged_record(
    runs: tuple[Path, Path, dict[str, bytes]],
    spare: Path,
    name: str,
    in_process: Callable[..., Done],
    ticket: Callable[..., Done],
) -> None:
    change, file, fault = CASES[name]
    change(spare, runs[1])
    line = f"{spare}/rounds/{file}: "
    assert_one_line(ticket(spare), 1, line, fault)
    done = in_process(stability_command.main, "lottery-stability", str(spare))
    assert_one_line(done, 1, line, fault)
    done = in_process(report_command.main, "lottery-report", str(spare))
    assert_one_line(done, 1, line, fault)


def test_python_and_copies_check_the_files_that_they_read(
    lottery: Lottery, runs: tuple[Path, Path, dict[str, bytes]], spare: Path
) -> None:
    CASES["masks copied"][0](spare, runs[1])
    run = load_run(spare)
    assert run.masks(1).keys() == {"fc1.weight", "fc2.weight", "output.weight"}
    with pytest.raises(Exception, match=rf"02/{MASKS}: damaged: {OTHER}"):
        run.masks(2)
    copying = (*COMMAND, "rounds=2", "criterion=copy", f"criterion.run={spare}")
    done = lottery(*copying, "output_dir=copies")
    assert_one_line(done, 1, f"02/{MASKS}: damaged: {OTHER}")
    CASES["final over W_0"][0](spare, runs[1])
    done = lottery(*copying, "criterion.rounds=[1]", "output_dir=copies")
    assert_one_line(done, 1, f"00/{START}: damaged: {OTHER}")


def _forge(run: Path, file: str, tensors: dict[str, Any]) -> None:
    """Write tensors whose digests are right everywhere."""
    record = run / "rounds/02/round.json"
    save_tensors(run / "rounds" / file, tensors)
    entry = json.loads(record.read_text())
    del entry["digest"]
    entry["links"]["files"][Path(file).name] = digest(tensors)
    record.write_text(json.dumps({**entry, "digest": json_digest(entry)}))


@pytest.mark.parametrize(
    ("file", "make"),
    [
        (MASKS, _nan),
        (MASKS, _without("fc1.weight")),
        (MASKS, _flat),
        (FINAL, _without("fc1.weight")),
        (FINAL, _flat),
    ],
)
def test_forged_tensors_that_do_not_fit_are_one_line(
    lottery: Lottery, spare: Path, file: str, make: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    path = spare / "rounds/02" / file
    _forge(spare, f"02/{file}", make(load_file(path)))
    done = lottery(*COMMAND, "rounds=3", "output_dir=spare")
    assert_one_line(done, 1, "fc1.weight")
