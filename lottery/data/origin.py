"""Fetch the missing files of a dataset: once per folder, whole or not at all."""

import hashlib
import os
import shlex
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lottery.data.download import RemoteFile, downloaded
from lottery.data.errors import DataError
from lottery.data.files import exists
from lottery.record.files import replacing


@dataclass(frozen=True)
class Origin:
    """Where the files of a dataset lie, and where missing ones come from.

    Several processes may fetch at once: one downloads, the others find the files.
    """

    dataset: str  # its name, as `lottery-data download` takes it
    root: str  # folder of all datasets
    folder: Path  # of this dataset's files
    base_url: str  # what stands before the names of the files
    download: bool  # False: a missing file is an error

    def path(self, name: str) -> Path:
        """Return the path of a file, without .gz if only the decompressed file is there."""
        path, decompressed = self.folder / name, self.folder / name.removesuffix(".gz")
        return path if exists(path) or not exists(decompressed) else decompressed

    def fetch(self, files: Sequence[RemoteFile]) -> None:
        """Download the files that are missing."""
        with self._fetching([file.name for file in files]) as missing:
            for file in files:
                target = self.folder / file.name
                if file.name in missing:
                    with downloaded(file, self.base_url) as path, replacing(target) as aside:
                        shutil.copyfile(path, aside)

    def fetch_members(self, archive: RemoteFile, names: Sequence[str]) -> None:
        """Download a tar.gz archive if files are missing, and extract these.

        The archive holds them in a folder that is named like ours. Nothing else is written,
        whatever it holds; the archive itself is not kept.
        """
        with self._fetching(names) as missing:
            if not missing:
                return
            with downloaded(archive, self.base_url) as path:
                try:
                    with tarfile.open(path, "r:gz") as tar:
                        for name in missing:
                            _extract(tar, name, self.folder)
                except (tarfile.TarError, EOFError, zlib.error) as error:
                    url = f"{self.base_url.rstrip('/')}/{archive.name}"
                    raise DataError(f"{url}: {error}") from error

    @contextmanager
    def _fetching(self, names: Sequence[str]) -> Iterator[list[str]]:
        """Let one process after the other fetch; yield the names that are then missing."""
        command = shlex.join(["lottery-data", "download", self.dataset, "--root", self.root])
        missing = self._missing(names)
        if not missing:
            yield []
            return
        if not self.download:
            where = f"to fetch it from {self.base_url}: {command}"
            raise DataError(f"{self.folder}: {missing[0]} is missing; {where}")
        try:
            with alone_in(self.folder):
                yield self._missing(names)
        except DataError as error:
            raise DataError(f"{error}; with a network: {command}") from error

    def _missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not exists(self.path(name))]


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process after the other write files into a dataset's folder."""
    # The lock is elsewhere: a failed download leaves no trace in the folder.
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"lottery-{os.getuid()}-{name}.lock"
    try:
        with FileLock(lock, fallback_to_soft=False):
            yield
    except OSError as error:
        raise DataError(f"{folder}: {error}") from error


def _extract(tar: tarfile.TarFile, name: str, folder: Path) -> None:
    try:
        member = tar.getmember(f"{folder.name}/{name}")
    except KeyError as error:
        raise tarfile.ReadError(f"no {folder.name}/{name} in it") from error
    if not member.isreg():  # a link, which might lead anywhere
        raise tarfile.ReadError(f"{member.name} is no plain file")
    source = tar.extractfile(member)
    assert source is not None
    with source, replacing(folder / name) as aside, aside.open("wb") as target:
        shutil.copyfileobj(source, target)
