"""Bad input: one line that names the key and the value, exit code 2, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import PATIENCE, Done, Lottery, environment, snapshot
from tests.helpers.mistakes import MISTAKES
from tests.helpers.refused import assert_one_line


def _arguments(overrides: str) -> list[str]:
    """Split at the blanks that stand between overrides, not at those inside a list."""
    if "[{" in overrides and not overrides.startswith("scope"):
        return [overrides]
    return overrides.split(" ")


@pytest.mark.parametrize(
    ("overrides", "key", "value"), MISTAKES, ids=[m[0][:60] for m in MISTAKES]
)
def test_a_mistake_is_one_line_and_leaves_no_trace(
    lottery: Lottery,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: str,
    key: str,
    value: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (folder / "a_file").write_text("in the way")
    (folder / "an_empty_folder").mkdir()
    before = snapshot(folder)
    done = lottery(*_arguments(overrides))
    assert_one_line(done, key, value)
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [["foo=1"], ["pruning.rte=0.1"], ["optimizer=adm"], ["-m", "pruning.rte=0.1,0.2"]],
    ids=" ".join,
)
def test_a_typo_in_a_name_is_one_line_too(
    lottery: Lottery, folder: Path, arguments: list[str]
) -> None:
    done = lottery(*arguments)
    assert_one_line(done, *arguments[-1].split(",")[0].split("="))
    assert "no such" in done.err
    assert snapshot(folder) == {}


def test_what_does_not_fit_the_data_is_refused(lottery: Lottery, folder: Path) -> None:
    done = lottery("dataset.batch_size=5000", "trainer.threads=1")
    assert_one_line(done, "dataset.batch_size", "5000")
    assert "1200" in done.err
    assert snapshot(folder) == {}


def test_real_command_refuses_a_plain_value_without_torch(folder: Path) -> None:
    program = (
        "import sys\n"
        "from lottery.cli.train import main\n"
        "try:\n    main()\n"
        "finally:\n    print([m for m in sys.modules if m.split('.')[0] == 'torch'])"
    )
    command = [sys.executable, "-c", program, "pruning.rate=7"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    assert_one_line(Done(done.returncode, "", done.stderr), "pruning.rate", "7")
    assert done.stdout == "[]\n"
    assert snapshot(folder) == {}
