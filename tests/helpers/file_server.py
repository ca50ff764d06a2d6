"""A small HTTP server with toy datasets: it answers well, badly, or half."""

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from lottery.data import download
from lottery.data.mnist import FILES, SOURCES
from tests.helpers.toy_mnist import idx_bytes, toy_mnist

# Whether the expected digests are of the content, or of the files as they are.
KINDS = {"mnist": True, "fashion_mnist": False}


@dataclass
class FileServer:
    """What the server has, and what it was asked for.

    Args:
        url: where it is.
        files: content by name; everything else is a 404.
        requests: the names asked for, in order.
        cut: send half of a file and end the connection, so many times.
        busy: answer with 503, so many times.
        may_answer: it waits for this.
    """

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    cut: int = 0
    busy: int = 0
    may_answer: Event = field(default_factory=Event)


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server on a free port of this machine, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            state.requests.append(name)
            state.may_answer.wait()
            if name not in state.files:
                self.send_error(404)
                return
            if state.busy:
                state.busy -= 1
                self.send_error(503)
                return
            content = state.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if state.cut else content)
            state.cut = max(0, state.cut - 1)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = FileServer(f"http://127.0.0.1:{server.server_port}")
        state.may_answer.set()
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


@cache
def toy_files() -> dict[str, bytes]:
    """The toy MNIST, gzipped; not to be changed."""
    return {name: gzip.compress(idx_bytes(array)) for name, array in toy_mnist().items()}


@contextmanager
def serving_mnist(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> Iterator[FileServer]:
    """A server that has the toy files; their digests are the expected ones.

    Args:
        monkeypatch: of the test.
        temporary: for temporary files, also of processes that the test starts.
    """
    files = toy_files()
    for name, of_content in KINDS.items():
        digests = tuple(_digest(files[file], of_content) for file in FILES)
        source = replace(SOURCES[name], digests=digests)
        monkeypatch.setitem(SOURCES, name, source)
    with serving_here(monkeypatch, temporary) as server:
        server.files = dict(files)
        yield server


@contextmanager
def serving_here(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> Iterator[FileServer]:
    """An empty server; no proxy, no pause between tries; temporary files in the test's folder."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(download, "RETRY_AFTER_S", (0, 0))
    monkeypatch.setattr(download, "TIMEOUT_S", None)  # a busy machine answers late
    with serving() as server:
        yield server


def _digest(file: bytes, of_content: bool) -> str:
    return sha256(gzip.decompress(file) if of_content else file).hexdigest()
