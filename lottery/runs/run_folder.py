"""A run's folder before it is used: whether everything in it is a run's own."""

import os
import stat
from pathlib import Path

from lottery.errors import ConfigError
from lottery.record.run_dir import RunDir

FOLDERS = {".hydra", "compare", "figures", "rounds", "stability", "tensorboard", "ticket"}
FILES = {
    ".lock",
    ".owner.json",
    "dynamic.csv",
    "history.csv",
    "logged.json",
    "lottery.log",
    "report.html",
    "report.md",
    "results.csv",
    "results.json",
    "run.json",
    "timing.csv",
}
MARKS = {".lock", "rounds", "run.json"}  # one of them is in every folder of a run


def check_run_folder(run_dir: RunDir) -> None:
    """Check that a folder, which may be missing, holds a run or nothing, and no trap.

    Whoever made the folder may be another user: a link could lead a file of ours anywhere, and
    a fifo would keep us waiting.
    """
    path = run_dir.path
    try:
        str(path).encode()
        if path.exists():
            names = _checked_names(path)
            for folder in (path / ".hydra", path / "rounds", *path.glob("rounds/*")):
                if folder.is_dir():
                    _checked_names(folder)
            visible = sorted(name for name in names - FILES - FOLDERS if name[0] != ".")
            if visible and names.isdisjoint(MARKS):
                raise ConfigError(f"{path}: holds {visible[0]} and no run; choose an empty folder")
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        why = "the name is not UTF-8, or the locale is not: try LC_ALL=C.UTF-8"
        raise ConfigError(f"output_dir: {shown}: {why}") from error
    except OSError as error:
        raise ConfigError(f"output_dir: {error.filename}: {error.strerror}") from error


def check_tree(folder: Path) -> None:
    """Check that a folder, if it is there, holds only files and folders, in those too."""
    for path, _, _ in os.walk(folder):
        _checked_names(Path(path))


def _checked_names(folder: Path) -> set[str]:
    """Check that a folder holds files and folders only; return their names."""
    entries = sorted(folder.iterdir())
    for entry in entries:
        check_entry(entry)
    return {entry.name for entry in entries}


def check_entry(path: Path) -> None:
    """Check that a path is a file or a folder; it must be the one that its name asks for."""
    mode = path.lstat().st_mode
    kind = "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else ""
    expected = "file" if path.name in FILES else "folder" if path.name in FOLDERS else kind
    if not kind or kind != expected:
        found = kind or ("link" if stat.S_ISLNK(mode) else "special file")
        raise ConfigError(f"{path}: a {found}; remove it, or choose another output_dir")
