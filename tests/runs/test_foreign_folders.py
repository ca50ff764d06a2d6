"""A run's folder that another user made: no link is followed, nothing hangs, all is one line."""

import ctypes
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from lottery.errors import ConfigError
from lottery.runs.run_lock import locked
from tests.conftest import TINY, Done, Lottery, snapshot
from tests.helpers.damages import assert_one_line
from tests.helpers.forked import ForkedCommand
from tests.helpers.sweeps import jobs_of


def _link(path: Path) -> None:
    Path("victim").write_text("a user's file")
    path.symlink_to(Path("victim").absolute())


def _folder_link(path: Path) -> None:
    Path("elsewhere").mkdir(exist_ok=True)
    path.symlink_to(Path("elsewhere").absolute())


NAMES = (
    "run.json",
    "results.csv",
    "lottery.log",
    ".lock",
    ".owner.json",
    "report.html",
    ".hydra/config.yaml",
    "rounds/00/round.json",
    "rounds/01/.masks.safetensors.part",
)
TRAPS: dict[Callable[[Path], None], tuple[str, tuple[str, ...]]] = {
    _link: ("a link", NAMES),
    _folder_link: ("a link", (".hydra", "rounds", "tensorboard", "rounds/02")),
    os.mkfifo: ("a special file", NAMES),
    Path.mkdir: ("a folder", NAMES[:6]),
    Path.touch: ("a file", (".hydra", "tensorboard", "figures")),
}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_links_and_special_files_are_refused_by_name(
    lottery: Lottery, folder: Path, trap: Callable[[Path], None]
) -> None:
    done = lottery(*TINY)
    kind, names = TRAPS[trap]
    for name in names:
        file = done.run / name
        if file.exists():
            file.rename(folder / "aside")
        trap(file)
        before = snapshot(done.run)
        for arguments in (TINY, (*TINY, "rounds=2")):
            refused = lottery(*arguments)
            assert_one_line(refused, 2, f"{file}: {kind}; remove it")
        assert snapshot(done.run) == before
        assert not Path("victim").exists() or Path("victim").read_text() == "a user's file"
        shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
        if (folder / "aside").exists():
            (folder / "aside").rename(file)
    assert lottery(*TINY).out == done.out


def test_a_sweep_follows_no_link_either(lottery: Lottery, folder: Path) -> None:
    """Hydra opens the log of a sweep's job before we see its folder."""
    run = lottery(*TINY).run
    for name in ("lottery.log", ".hydra/config.yaml"):
        (run / name).unlink()
        _link(run / name)
        done = lottery("-m", *TINY, "rounds=2")
        assert done.code == 1
        (message,) = jobs_of(done.out)["message"]
        assert f"{run / name}: a link" in message
        assert (folder / "victim").read_text() == "a user's file"
        (run / name).unlink()


def test_a_lock_that_is_no_file_is_refused_in_every_folder(tmp_path: Path) -> None:
    for name in (".lock", ".owner.json"):
        os.mkfifo(tmp_path / name)
        with (
            pytest.raises(ConfigError, match=f"{name}: a special file"),
            locked(tmp_path, wait=True),
        ):
            pytest.fail("a fifo is no lock")
        (tmp_path / name).unlink()


@pytest.mark.parametrize("files", [["mine.py"], ["notes", ".git"]])
def test_a_users_own_folder_is_no_run(lottery: Lottery, folder: Path, files: list[str]) -> None:
    own = folder / "own"
    own.mkdir()
    for name in files:
        (own / name).touch()
    before = snapshot(own)
    done = lottery(*TINY, f"hydra.run.dir={own}")
    assert_one_line(done, 2, f"{own}: holds {files[0]} and no run; choose an empty folder")
    assert snapshot(own) == before


def test_folders_that_cannot_be_are_one_line(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    (folder / "gone").symlink_to(folder / "nowhere")
    for path, reason in {
        256 * "x": "File name too long",
        "file": "Not a directory",
        "gone": "No such file or directory",
        "/proc/x": "No such file or directory",
    }.items():
        for arguments in ((), ("dry_run=true",)):
            done = lottery(*TINY, f"output_dir={path}", *arguments)
            assert_one_line(done, 2, "output_dir: ", path, reason)
    for path in ("/proc/x", "gone"):
        done = lottery("-m", *TINY, f"hydra.sweep.dir={path}")
        assert_one_line(done, 2, "hydra.sweep.dir: ", f"{path} cannot be written: No such file")
    latin = folder / os.fsdecode("café".encode("latin-1"))
    latin.mkdir()
    monkeypatch.chdir(latin)
    assert_one_line(lottery(*TINY), 2, "caf\\xe9", "the name is not UTF-8")
    assert list(latin.iterdir()) == []


CAPABILITIES_V3 = 0x20080522


def _give_up_rights() -> None:
    """Give up root's right to read and write everything."""
    header = struct.pack("Ii", CAPABILITIES_V3, 0)  # 0: this process
    assert ctypes.CDLL(None).capset(header, bytes(24)) == 0


def _without_rights(*arguments: str) -> Done:
    return ForkedCommand(*arguments, before=_give_up_rights).wait()


def test_a_run_that_one_may_not_write_is_shown_or_named(lottery: Lottery, folder: Path) -> None:
    first = lottery(*TINY)
    (first.run / ".owner.json").write_text("{}")  # of a process that was killed
    (first.run / ".owner.json").chmod(0o444)
    folders = [path for path in (first.run, *first.run.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(0o555)
    try:
        before = snapshot(first.run)
        again = _without_rights(*TINY)
        assert (again.code, again.out, again.err) == (0, first.out, "")
        more = _without_rights(*TINY, "rounds=2")
        assert (more.code, more.out) == (2, "")
        line = f"error: output_dir: {first.run} cannot be written: Permission denied\n"
        assert more.err == line
        first.run.joinpath("run.json").chmod(0)
        hidden = _without_rights(*TINY)
        assert (hidden.code, hidden.out) == (1, "")
        assert "Traceback" not in hidden.err
        assert f"{first.run}/run.json" in hidden.err
        assert snapshot(first.run) == before
    finally:
        for path in folders:
            path.chmod(0o755)
