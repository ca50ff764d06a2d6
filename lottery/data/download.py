"""Fetching the files of a dataset: once per folder, checked, whole or not at all."""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from filelock import FileLock
from tqdm import tqdm

from lottery.data.errors import DataError
from lottery.data.idx import read_bytes
from lottery.record.files import replacing

log = logging.getLogger(__name__)

TIMEOUT_S = 30
CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Args:
        name: in the dataset's folder and below the base URL.
        sha256: digest of the content, decompressed where `of_content`; mirrors compress anew.
        of_content: whether the digest is of the decompressed content, or of the file as it is.
    """

    name: str
    sha256: str
    of_content: bool = True


def fetch(files: Sequence[RemoteFile], folder: Path, base_url: str) -> None:
    """Download those files that are not there, with a progress bar.

    Several processes may call it at once: one downloads, the others find the files.

    Args:
        files: what to fetch.
        folder: where to.
        base_url: what stands before the names.

    Raises:
        DataError: no network, no such file, or another content. No half file is left behind.
    """
    with alone_in(folder):
        for file in files:
            if not (folder / file.name).exists():
                with (
                    downloaded(file, folder, base_url) as path,
                    replacing(folder / file.name) as target,
                ):
                    shutil.copyfile(path, target)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lets one process after the other fetch files of a folder.

    Raises:
        DataError: for an OSError, such as that of a full disk.
    """
    # The lock and the unchecked file are elsewhere: where nothing comes, nothing is written.
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"lottery-{os.getuid()}-{name}.lock"
    try:
        with FileLock(lock, fallback_to_soft=False):
            yield
    except OSError as error:  # requests' errors are OSErrors too, and are named below
        raise DataError(f"{folder}: {error}") from error


@contextmanager
def downloaded(file: RemoteFile, folder: Path, base_url: str) -> Iterator[Path]:
    """A file fetched aside and checked, for as long as the block lasts.

    Args:
        file: what to fetch.
        folder: where it, or what is in it, is missing; for messages.
        base_url: what stands before its name.

    Raises:
        DataError: no network, no such file, or another content.
    """
    url = f"{base_url.rstrip('/')}/{file.name}"
    log.info("downloading %s", url)
    pooch.get_logger().setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="lottery-") as aside:
        try:
            name = pooch.retrieve(
                url,
                known_hash=None,  # checked below, on the content
                fname=file.name,
                path=aside,
                downloader=_download,
            )
            path = Path(name)
            content = read_bytes(path) if file.of_content else path.read_bytes()
        except (requests.RequestException, ValueError, DataError) as error:
            raise DataError(
                f"{folder}: {file.name} is missing and cannot be downloaded from {url} "
                f"({_reason(error)})"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise DataError(f"{url}: content with sha256 {found}, expected {file.sha256}")
        del content  # as large as the file
        yield path


def _download(url: str, path: str, _pooch: object) -> None:
    """What pooch.HTTPDownloader does, but bar and connection are closed when it fails too.

    Else the bar is drawn once more, after the error.
    """
    with requests.get(url, timeout=TIMEOUT_S, stream=True) as response:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0)) or None
        with (
            Path(path).open("wb") as file,
            tqdm(total=total, unit="B", unit_scale=True, ncols=79) as bar,
        ):
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))


def _reason(error: Exception) -> str:
    """The innermost reason, in one line: requests wraps errors in errors."""
    while error.__context__ is not None and isinstance(error.__context__, Exception):
        error = error.__context__
    return f"{type(error).__name__}: {error}".splitlines()[0]
