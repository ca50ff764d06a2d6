"""Downloads by `lottery-data`, and by a run whose data are missing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import TINY, Done, Lottery, snapshot
from tests.helpers.file_server import FileServer, serving_mnist, toy_files
from tests.helpers.toy_mnist import TEST_LABELS, TRAIN_IMAGES

COUNTS = "30 train, 5000 validation, 20 test"

LotteryData = Callable[..., Done]


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileServer]:
    with serving_mnist(monkeypatch, tmp_path_factory.mktemp("temporary")) as server:
        yield server


def _mnist_from(server: FileServer) -> tuple[str, ...]:
    where = ("dataset.root=data", f"dataset.base_url={server.url}")
    return ("dataset=mnist", *where, "dataset.batch_size=10")


def _assert_failed(done: Done, named: str) -> None:
    """The last line is the error; the lines before it say what was tried."""
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert last.count("error: ") == 1
    assert named in last
    assert last.endswith("lottery-data download mnist --root data")


def test_a_run_fetches_what_it_misses_and_trains(
    lottery: Lottery, server: FileServer, folder: Path
) -> None:
    done = lottery(*_mnist_from(server), *TINY)
    assert done.code == 0, done.err
    assert done.run.is_dir()
    raw = folder / "data" / "MNIST" / "raw"
    assert {path.name for path in raw.iterdir()} == set(toy_files())
    assert len(server.requests) == 4
    assert lottery(*_mnist_from(server), *TINY, "seed=1").code == 0
    assert len(server.requests) == 4


@pytest.mark.parametrize("fault", ["no such file", "cut", "corrupted"])
def test_a_run_whose_data_cannot_be_had_says_so_and_leaves_no_trace(
    lottery: Lottery, server: FileServer, folder: Path, fault: str
) -> None:
    server.cut = 9 if fault == "cut" else 0
    if fault == "no such file":
        del server.files[TRAIN_IMAGES]
    if fault == "corrupted":
        server.files[TRAIN_IMAGES] = server.files[TEST_LABELS]
    _assert_failed(lottery(*_mnist_from(server)), f"{server.url}/{TRAIN_IMAGES}")
    assert snapshot(folder) == {}


@pytest.mark.parametrize("setting", ["dataset.download=false", "dry_run=true"])
def test_the_server_is_not_asked_without_leave(
    lottery: Lottery, server: FileServer, folder: Path, setting: str
) -> None:
    _assert_failed(lottery(*_mnist_from(server), setting), server.url)
    assert server.requests == []
    assert snapshot(folder) == {}


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_lottery_data_fetches_what_a_run_then_finds(
    lottery_data: LotteryData, lottery: Lottery, server: FileServer, name: str
) -> None:
    done = lottery_data("download", name, "--root", "data", "--base-url", server.url)
    assert done.code == 0, done.err
    raw = {"mnist": "data/MNIST/raw", "fashion_mnist": "data/FashionMNIST/raw"}[name]
    assert done.out == f"{raw}: {COUNTS}\n"
    assert f"downloading {server.url}/{TRAIN_IMAGES}\n" in done.err
    plan = lottery(*_mnist_from(server), f"dataset={name}", "dry_run=true")
    assert COUNTS in plan.out
    again = lottery_data("download", name, "--root", "data", "--base-url", server.url)
    assert again == Done(0, done.out, "")
    assert len(server.requests) == 4


def test_lottery_data_fetches_into_the_folder_that_runs_look_in(
    lottery_data: LotteryData, server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTTERY_DATA", "elsewhere")
    assert lottery_data("download", "mnist", "--base-url", server.url).code == 0
    monkeypatch.delenv("LOTTERY_DATA")
    assert lottery_data("download", "mnist", "--base-url", server.url).code == 0
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("LOTTERY_DATA", "~/mine")
    assert lottery_data("download", "mnist", "--base-url", server.url).code == 0
    assert lottery_data("download", "mnist", "--root=~", "--base-url", server.url).code == 0
    found = {path.parent.parent.relative_to(folder) for path in folder.rglob("MNIST/raw")}
    assert {str(path) for path in found} == {"elsewhere", "data", "home", "home/mine"}


def test_lottery_data_fails_in_one_line(
    lottery_data: LotteryData, server: FileServer, folder: Path
) -> None:
    server.files.clear()
    done = lottery_data("download", "mnist", "--root", "data", "--base-url", server.url)
    _assert_failed(done, f"{server.url}/{TRAIN_IMAGES}")
    assert snapshot(folder) == {}


@pytest.mark.parametrize("name", ["digits", "cifar", "../mnist"])
def test_lottery_data_knows_only_what_can_be_fetched(
    lottery_data: LotteryData, folder: Path, name: str
) -> None:
    done = lottery_data("download", name)
    assert (done.code, done.out) == (2, "")
    assert f"invalid choice: '{name}'" in done.err
    assert "fashion_mnist" in done.err
    assert snapshot(folder) == {}
