"""What a command finds around it: streams, the current folder, files there, limits, locales."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, TINY, Lottery, environment
from tests.helpers.damages import assert_one_line
from tests.helpers.forked import ForkedCommand
from tests.helpers.sweeps import jobs_of
from tests.helpers.toy_mnist import write_mnist

TOY_MNIST = ("dataset=mnist", "dataset.download=false", "dataset.batch_size=10")


def _shell(script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a script of bash in which `lottery` is the command."""
    lottery = f'lottery() {{ {sys.executable} -m lottery "$@"; }}; {script}'
    return subprocess.run(
        ["bash", "-c", lottery],
        env=environment() | variables,
        errors="replace",
        text=True,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


def test_nobody_reads_the_output(folder: Path) -> None:
    """Of a pipe's reader that has gone, and of a stderr that is closed, nothing is told."""
    done = _shell(f"lottery {' '.join(TINY)} 2>&- | true; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == ("0\n", "")
    (run_json,) = folder.glob("outputs/*/seed_0/run.json")
    assert json.loads(run_json.read_text())["status"] == "finished"
    done = _shell("lottery --cfg job | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("0\n", "")
    done = _shell("lottery --cfg job > /dev/full", PYTHONUNBUFFERED="")
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device\n"


def test_the_current_folder_is_gone(folder: Path) -> None:
    done = _shell("mkdir gone; cd gone; rmdir ../gone; lottery")
    assert done.returncode == 2
    *_, line = done.stderr.splitlines()  # bash may say so too
    assert line == "error: the current folder has been removed; go to another one"
    assert "Traceback" not in done.stderr


def test_too_little_memory_is_named(folder: Path) -> None:
    done = _shell("ulimit -v 1000000; lottery")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: 1.0 GB of memory here (ulimit -v); a run needs at least 2 GB\n")
    assert list(folder.iterdir()) == []


SHADOWS = ("random", "queue", "statistics", "secrets", "socket", "struct", "torch", "rich")


@pytest.fixture
def odd_folder(folder: Path) -> Path:
    """A folder with a letter that no C locale has, and files with the names of modules."""
    odd = folder / "größe"
    odd.mkdir()
    for name in SHADOWS:
        (odd / f"{name}.py").write_text("raise SystemExit('the wrong file')\n")
    return odd


COERCED = {"LC_ALL": "", "LANG": "C", "PYTHONUTF8": "0"}  # Python takes C.UTF-8 then


def test_files_with_the_names_of_modules_are_left_alone_in_any_folder(
    odd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOTTERY_REPORT")
    done = _shell(f"cd größe; lottery trainer=ddp_cpu logger=none {' '.join(TINY)}", **COERCED)
    assert done.returncode == 0, done.stderr
    assert "wrong file" not in done.stderr
    assert "rror" not in done.stderr
    (run,) = odd_folder.glob("outputs/*/seed_0")
    assert done.stdout.splitlines()[-2:] == [f"{run}/report.html", str(run)]


def test_so_are_they_in_the_processes_of_a_sweep(odd_folder: Path) -> None:
    """The job fails late, when it has imported torch and loaded the data."""
    sweep = "-m hydra/launcher=local_parallel dataset.batch_size=5000"
    done = _shell(f"cd größe; lottery {sweep}", **COERCED)
    assert done.returncode == 1
    assert "wrong file" not in done.stderr
    (message,) = jobs_of(done.stdout)["message"]
    assert message.startswith("dataset.batch_size=5000: ")
    assert Path(done.stdout.splitlines()[-1]).parent.parent == odd_folder / "outputs"


def test_letters_that_the_locale_lacks_are_said(folder: Path) -> None:
    (folder / "größe").mkdir()
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    refused = _shell(f"cd größe; lottery {' '.join(TINY)}", **plain)
    assert (refused.returncode, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert line.endswith("the name is not UTF-8, or the locale is not: try LC_ALL=C.UTF-8")
    assert list((folder / "größe").iterdir()) == []


def test_a_class_in_such_a_file_is_said_not_to_be_used(lottery: Lottery, folder: Path) -> None:
    (folder / "random.py").write_text("class Net: pass")
    done = lottery(*TINY, "model._target_=random.Net")
    said = f"{folder}/random.py is not used, because Python or a package has a module random"
    assert_one_line(done, 2, "model._target_=random.Net: ", said)


NETWORK = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, input_shape, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(784, num_classes))
"""


def test_jobs_that_change_the_folder_find_data_and_code(
    lottery: Lottery, folder: Path, write_module: Callable[[str, str], Path]
) -> None:
    write_mnist(folder / "data")
    write_module("small_networks", NETWORK)
    network = ("model._target_=small_networks.Small", "model.rates=[]")
    arguments = (*TINY, *TOY_MNIST, *network, "dataset.root=data", "hydra.job.chdir=true")
    single = lottery(*arguments)
    assert single.code == 0, single.err
    sys.path[:] = [path for path in sys.path if path != str(folder)]  # as in another process
    sys.modules.pop("small_networks")
    sweep = lottery("-m", *arguments, "seed=1")
    assert sweep.code == 0, sweep.err
    for run in (single.run, Path(jobs_of(sweep.out)["run"][0])):
        settings = json.loads((run / "run.json").read_text())["settings"]
        assert settings["output_dir"] == str(folder / "outputs")
        assert settings["dataset"]["root"] == str(folder / "data")
    assert lottery(*arguments).out == single.out


def test_a_tilde_is_the_home_folder(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("LOTTERY_DATA", "~/data")
    write_mnist(folder / "home" / "data")
    arguments = (*TINY, *TOY_MNIST, "output_dir='~/runs'")
    done = lottery("-m", *arguments)
    assert done.code == 0, done.err
    assert done.run.parent == folder / "home" / "runs" / "sweeps"
    again = lottery(*arguments)
    assert again.run == Path(jobs_of(done.out)["run"][0])
    assert not (folder / "~").exists()


@pytest.mark.parametrize("way", ["disabled", "none", "stdout"])
def test_hydras_own_ways_of_logging_work(lottery: Lottery, way: str) -> None:
    done = lottery(*TINY, f"hydra/job_logging={way}")
    assert done.code == 0, done.err
    assert (done.run / "results.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--cfg hydra --resolve", 0),
        ("--cfg all --resolve", 0),
        ("--info all", 0),
        ("--info searchpath", 0),
        ("--info all nosuch=1", 2),
        ("--resolve", 2),
        ("--cfg job -m", 2),
        ("seed=${nothing}", 2),
        ("-m seed=${nothing}", 1),
        ("-m ~output_dir", 1),
        ("hydra.run.dir=${nothing}", 2),
        ("-m hydra.sweep.dir=${nothing}", 2),
    ],
)
def test_no_flag_ends_in_a_traceback(lottery: Lottery, arguments: str, code: int) -> None:
    done = lottery(*arguments.split())
    assert (done.code, "Traceback" in done.err) == (code, False), done.err
    if code == 2:
        assert_one_line(done, 2)


def test_a_port_in_use_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {
            "TORCHELASTIC_RUN_ID": "mine",
            "TORCHELASTIC_USE_AGENT_STORE": "False",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(taken.getsockname()[1]),
            "RANK": "0",
            "LOCAL_RANK": "0",
            "GROUP_RANK": "0",
            "WORLD_SIZE": "2",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        done = ForkedCommand(*TINY, "trainer=ddp_cpu").wait()
    assert (done.code, done.out) == (2, "")
    *_, line = done.err.splitlines()  # torch warns too
    address = f"127.0.0.1:{variables['MASTER_PORT']}"
    assert line == f"error: {address}: another program uses this port; choose another"
    assert "Traceback" not in done.err


def test_a_launcher_that_leaves_jobs_alone_is_named(lottery: Lottery, folder: Path) -> None:
    done = lottery("-m", *TINY, "hydra/launcher=submitit_local", "rounds=-1", "hydra.sweep.dir=s")
    assert (
        "hydra/launcher=submitit_local: a job that dies ends the sweep; "
        "hydra/launcher=local_parallel does the others"
    ) in done.err
