"""`lottery-completion`: what bash completes with its script."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.cli import completion
from tests.conftest import Done

OWN = "lottery"  # Hydra completes it
ANSWER = """
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_lottery_commands
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lottery-ticket --ex", "--export"),
        ("lottery-ticket RUN --export ''", "prune csr"),
        ("/opt/venv/bin/lottery-ticket RUN --weights f", "final"),
        ("lottery-report --t", "--text"),
        ("lottery-report ''", ""),  # a path: bash's own
        ("lottery-claims j", "judge"),
        ("lottery-claims run all --s", "--seeds"),
        ("lottery-data download mn", "mnist"),
        ("lottery-ls --", "--help --json"),
        ("lottery-completion z", "zsh"),
    ],
)
def test_bash_completes(words: str, expected: str) -> None:
    script = completion.make_script("bash") + ANSWER.format(words=words)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


def test_every_command_is_completed() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    last = completion.make_script("bash").splitlines()[-1]
    assert set(last.split()[5:]) == project["scripts"].keys() - {OWN}


def test_the_script_is_printed(in_process: Callable[..., Done]) -> None:
    for shell, first in (("bash", "_lottery_commands() {"), ("zsh", "autoload -U +X")):
        done = in_process(completion.main, "lottery-completion", shell)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(first)
    assert in_process(completion.main, "lottery-completion", "fish").code == 2
