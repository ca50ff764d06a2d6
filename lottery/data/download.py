"""Download a file aside, with retries, and check its digest."""

import gzip
import hashlib
import logging
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from lottery.data.errors import DataError
from lottery.data.progress_bar import track

log = logging.getLogger(__name__)

TIMEOUT_S = 30
CHUNK_BYTES = 65_536
RETRY_AFTER_S = (1, 5)  # so there are three tries


@dataclass(frozen=True)
class RemoteFile:
    """A file to download."""

    name: str  # in the dataset's folder and below the base URL
    sha256: str
    of_content: bool = True  # the digest is of the decompressed content: mirrors compress again


@contextmanager
def downloaded(file: RemoteFile, base_url: str) -> Iterator[Path]:
    """Download a file, check its content and yield its path; the file goes with the block."""
    url = f"{base_url.rstrip('/')}/{file.name}"
    log.info("downloading %s", url)
    with tempfile.TemporaryDirectory(prefix="lottery-") as aside:
        path = Path(aside) / file.name
        try:
            _try_to_download(url, path)
            with gzip.open(path) if file.of_content else path.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except (requests.RequestException, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{url} cannot be downloaded ({_reason(error)})") from error
        if found != file.sha256:
            raise DataError(f"{url}: content with sha256 {found}, expected {file.sha256}")
        yield path


def _try_to_download(url: str, path: Path) -> None:
    for wait in RETRY_AFTER_S:
        try:
            _download(url, path)
            return
        except requests.RequestException as error:
            if not _may_pass(error):
                raise
            log.info("%s; trying again in %d s", _reason(error), wait)
            time.sleep(wait)
    _download(url, path)


def _download(url: str, path: Path) -> None:
    with requests.get(url, timeout=TIMEOUT_S, stream=True) as response, path.open("wb") as target:
        response.raise_for_status()
        chunks = int(response.headers.get("Content-Length", 0)) / CHUNK_BYTES or None
        target.writelines(track(response.iter_content(CHUNK_BYTES), path.name, chunks))


def _may_pass(error: requests.RequestException) -> bool:
    if error.response is not None:
        return error.response.status_code >= 500
    kinds = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, kinds)


def _reason(error: BaseException) -> str:
    """Return the innermost reason, in one line: requests wraps errors in errors."""
    while isinstance(error.__context__, Exception):
        error = error.__context__
    return f"{type(error).__name__}: {error}".splitlines()[0]
