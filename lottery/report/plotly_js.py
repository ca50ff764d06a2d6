"""The file of plotly.js: one for all reports of an outputs folder, which weigh little then."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from lottery.record.files import DamagedFile, open_regular, replacing
from lottery.record.opened_run import OpenedRun

SHARED = ".report"  # the folder in an outputs folder
# The folder is not ours to write, or something else is in the file's or folder's place
NOT_OURS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}
)


def outputs_of(run: OpenedRun) -> Path | None:
    """Return the outputs folder that a run lies in; None if its folder was moved out of one."""
    setting = run.path.parent
    is_in_place = (setting.name, run.path.name) == (run.name, f"seed_{run.seed}")
    return setting.parent if is_in_place else None


def place_plotly(folder: Path, runs: Iterable[OpenedRun]) -> str | None:
    """Put plotly.js where a report finds it, unless it is there; return its relative path.

    It is in the outputs folder if the report lies below the outputs folder of its runs, else
    beside the report. A file that differs from the installed plotly.js is replaced: whoever made
    the folder may be another user, and a page would run what is in it.

    Returns:
        The path, seen from the report's folder; None if it cannot be put there: the page must
        hold plotly.js itself.
    """
    from plotly.offline import get_plotlyjs, get_plotlyjs_version

    homes = {outputs_of(run) for run in runs}
    above = [outputs for outputs in homes if outputs is not None and outputs in folder.parents]
    shared = max(above, key=lambda outputs: len(outputs.parts), default=None)
    home = shared / SHARED if shared else folder
    file = home / f"plotly-{get_plotlyjs_version()}.min.js"
    if home.is_symlink():  # it could lead our file anywhere
        return None
    content = get_plotlyjs().encode()
    try:
        if not _holds(file, content):
            with replacing(file, shared=True) as aside:
                aside.write_bytes(content)
    except OSError as error:
        if error.errno in NOT_OURS:
            return None
        raise
    return Path(os.path.relpath(file, folder)).as_posix()


def _holds(file: Path, content: bytes) -> bool:
    try:
        with open_regular(file) as there:
            return there.read(len(content) + 1) == content
    except (FileNotFoundError, DamagedFile):  # a link or a fifo is replaced
        return False
