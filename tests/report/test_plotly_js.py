"""plotly.js: once for an outputs folder, found by the page, never a file of somebody else."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs, get_plotlyjs_version

from lottery.report import write_report
from tests.helpers.toy_records import TRUNK, write_controls, write_run

NAME = f"plotly-{get_plotlyjs_version()}.min.js"

pytestmark = pytest.mark.usefixtures("no_pictures")


def source_of(page: Path) -> Path | None:
    """Return the file that a page loads; None if it loads none."""
    found = re.search(r'<script src="([^"]+)"', page.read_text())
    return (page.parent / found[1]).resolve() if found else None


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "outputs" / TRUNK / "seed_0")


def test_all_reports_of_an_outputs_folder_share_one_file(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    first, *others = write_controls(outputs, seeds=[0])
    shared = outputs / ".report" / NAME
    pages = [write_report([first], first), write_report([first, *others], outputs / "sweeps/1")]
    assert [source_of(page) for page in pages] == [shared, shared]
    assert shared.read_text() == get_plotlyjs()
    assert list(shared.parent.iterdir()) == [shared]
    assert all(page.stat().st_size < 200_000 for page in pages)
    inode = shared.stat().st_ino
    write_report([first], first)
    assert shared.stat().st_ino == inode  # not written again


def test_elsewhere_it_is_beside_the_report(run: Path, tmp_path: Path) -> None:
    page = write_report([run], tmp_path / "report")
    assert source_of(page) == tmp_path / "report" / NAME
    copy = tmp_path / "copied" / "folder" / "of a run"  # whose grandparent is no outputs folder
    shutil.copytree(run, copy)
    assert source_of(write_report([copy], copy)) == copy / NAME
    assert not (tmp_path / "copied" / ".report").exists()


def test_a_page_that_is_mailed_holds_it(run: Path) -> None:
    page = write_report([run], run, self_contained=True)
    assert source_of(page) is None
    assert page.stat().st_size > len(get_plotlyjs())
    assert not (run.parents[1] / ".report").exists()


def _another(file: Path) -> None:
    file.write_text("alert('of a stranger')")


def _link(file: Path) -> None:
    file.symlink_to("/etc/hostname")


@pytest.mark.parametrize("trap", [_another, _link, os.mkfifo])
def test_what_a_stranger_put_there_is_replaced(run: Path, trap: Callable[[Path], None]) -> None:
    shared = run.parents[1] / ".report" / NAME
    shared.parent.mkdir()
    trap(shared)
    assert source_of(write_report([run], run)) == shared
    assert not shared.is_symlink()
    assert shared.read_text() == get_plotlyjs()


def _file(folder: Path) -> None:
    folder.write_text("")


def _folder_link(folder: Path) -> None:
    folder.symlink_to(folder.parents[1])


def _folder(folder: Path) -> None:
    (folder / NAME).mkdir(parents=True)


@pytest.mark.parametrize("trap", [_file, _folder_link, _folder])
def test_where_it_cannot_be_put_the_page_holds_it(
    run: Path, tmp_path: Path, trap: Callable[[Path], None]
) -> None:
    trap(run.parents[1] / ".report")
    page = write_report([run], run)
    assert source_of(page) is None
    assert page.stat().st_size > len(get_plotlyjs())
    assert not (tmp_path / NAME).exists()
