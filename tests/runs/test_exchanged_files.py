"""Files exchanged, changed or replaced by something else: one line, and a way back to the run."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import lottery as package
from lottery.api import load_run
from lottery.cli import report as report_command
from lottery.cli import stability as stability_command
from lottery.record.files import json_digest
from lottery.tensors import digest, save_tensors
from tests.conftest import TINY, Done, Lottery, result_tables
from tests.helpers.damages import assert_one_line
from tests.helpers.exchanges import CASES, FINAL, MASKS, OTHER, START, flat, nan, without

COMMAND = (
    *TINY,
    "logger=none",
    "model.rates=[]",
    "reinit.to=5",
    "reinit.optimizer_state=restored",
)

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
        (MASKS, nan),
        (MASKS, without("fc1.weight")),
        (MASKS, flat),
        (FINAL, without("fc1.weight")),
        (FINAL, flat),
    ],
)
def test_forged_tensors_that_do_not_fit_are_one_line(
    lottery: Lottery, spare: Path, file: str, make: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    path = spare / "rounds/02" / file
    _forge(spare, f"02/{file}", make(load_file(path)))
    done = lottery(*COMMAND, "rounds=3", "output_dir=spare")
    assert_one_line(done, 1, "fc1.weight")
