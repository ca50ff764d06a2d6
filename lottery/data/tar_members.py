"""Datasets that come as one archive: fetched, checked, and the files that are needed taken out."""

import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from shutil import copyfileobj

from lottery.data.download import RemoteFile, alone_in, downloaded
from lottery.data.errors import DataError
from lottery.record.files import replacing


def fetch_members(archive: RemoteFile, names: Sequence[str], folder: Path, base_url: str) -> None:
    """Download a tar.gz archive and take out those files that are not there.

    Nothing is written but `folder / name`, whatever else the archive holds; the archive itself is
    not kept. Several processes may call it at once, as with `fetch`.

    Args:
        archive: what to fetch.
        names: the files wanted; in the archive they are in a folder named like `folder`.
        folder: where to.
        base_url: what stands before the archive's name.

    Raises:
        DataError: the archive cannot be had, or has no such file. No half file is left behind.
    """
    with alone_in(folder):
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:  # another process has fetched them
            return
        with downloaded(archive, folder, base_url) as path:
            try:
                with tarfile.open(path, "r:gz") as tar:
                    for name in missing:
                        _take_out(tar, name, folder)
            except (tarfile.TarError, EOFError, zlib.error) as error:
                raise DataError(f"{base_url.rstrip('/')}/{archive.name}: {error}") from error


def _take_out(tar: tarfile.TarFile, name: str, folder: Path) -> None:
    try:
        member = tar.getmember(f"{folder.name}/{name}")
    except KeyError as error:
        raise tarfile.ReadError(f"no {folder.name}/{name} in it") from error
    if not member.isreg():  # a link, which might lead anywhere
        raise tarfile.ReadError(f"{member.name} is no plain file")
    source = tar.extractfile(member)
    assert source is not None
    with source, replacing(folder / name) as aside, aside.open("wb") as target:
        copyfileobj(source, target)
