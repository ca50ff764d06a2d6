"""What stands in the place of a report: it is replaced, or the command names it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.cli import report as command
from tests.conftest import Done
from tests.helpers.damages import assert_one_line

Report = Callable[..., Done]


PUT: dict[str, Callable[[Path], None]] = {
    "folder": Path.mkdir,
    "fifo": os.mkfifo,
    "link": lambda path: path.symlink_to(Path("elsewhere").absolute()),
}


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("kind", PUT)
@pytest.mark.parametrize("name", ["report.html", "report.md", ".report.md.part"])
def test_what_is_in_the_place_of_a_report_is_replaced_or_named(
    report: Report, runs: list[Path], kind: str, name: str
) -> None:
    _put(kind, runs[0] / name)
    _assert_replaced_or_named(report(runs[0]), runs[0] / name, runs[0], num_files=2)


@pytest.mark.parametrize("kind", PUT)
@pytest.mark.parametrize("name", ["figures", "figures/1_accuracy.png"])
def test_what_is_in_the_place_of_a_picture_is_replaced_or_named(
    in_process: Callable[..., Done], runs: list[Path], kind: str, name: str
) -> None:
    _put(kind, runs[0] / name)
    done = in_process(command.main, "lottery-report", runs[0])
    _assert_replaced_or_named(done, runs[0] / name, runs[0], num_files=14)


@pytest.mark.usefixtures("no_pictures")
def test_a_link_to_a_folder_leads_no_picture_there_and_removes_none(
    report: Report, runs: list[Path]
) -> None:
    other = Path("mine").absolute()
    other.mkdir()
    (other / "10_masks.png").touch()
    (runs[0] / "figures").symlink_to(other)
    assert_one_line(report(runs[0]), 1, f"{runs[0].absolute()}/figures: a link; remove it")
    assert [path.name for path in other.iterdir()] == ["10_masks.png"]
    assert not (runs[0] / "report.html").exists()


def _put(kind: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    PUT[kind](path)


def _assert_replaced_or_named(done: Done, path: Path, run: Path, *, num_files: int) -> None:
    assert not Path("elsewhere").exists()
    if done.code:
        assert_one_line(done, 1, str(path.with_name(path.name.removesuffix(".part").lstrip("."))))
    else:
        files = [run / "report.html", run / "report.md", *run.glob("figures/*")]
        assert len(files) == num_files
        assert all(file.is_file() and not file.is_symlink() for file in files)
