#!/usr/bin/env python3
"""Make .venv and install the pinned versions into it, unless this is done already.

    scripts/setup_venv.py [EXTRA ...]

Needs only Python 3.11 and its standard library: no pip, no ensurepip (Debian's Python has
neither), no root. All messages go to stderr. Several of these may run at once. If one is
interrupted, the next one starts again.
"""

from __future__ import annotations  # an old Python gets as far as the message about its version

import configparser
import fcntl
import hashlib
import html
import importlib.util
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = [ROOT / "pyproject.toml", ROOT / "constraints.txt"]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "lottery.json"  # the content of .venv; empty while it is being made
PIP = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def main() -> None:
    """Set .venv up if it is not ready."""
    if sys.version_info < (3, 11):
        start_newer_python()
    extras = set(sys.argv[1:])
    if is_ready(extras):
        return
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is setting .venv up; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)  # a pip that outlives this process keeps the lock
        if not is_ready(extras):
            set_up(extras)


def is_ready(extras: set[str]) -> bool:
    """Say whether .venv holds the pinned versions and these extras."""
    stamp = read_stamp()
    return is_usable(stamp) and stamp["pins"] == digest(*PINS) and extras <= set(stamp["extras"])


def is_usable(stamp: dict) -> bool:
    """Say whether .venv is complete, was not moved, and still has its Python."""
    return bool(stamp) and stamp["place"] == location()


def location() -> list[str]:
    """Return the paths that must not change: of .venv and of its Python."""
    return [str(VENV), os.path.realpath(PYTHON)]


def set_up(extras: set[str]) -> None:
    """Make .venv, or update a complete one to the pinned versions."""
    say(f"setting up {VENV}; the first time this takes minutes")
    stamp = read_stamp()
    if is_usable(stamp):
        extras = extras | set(stamp["extras"])
        STAMP.write_text("")
    else:
        make_room()
        VENV.mkdir()
        STAMP.write_text("")
        make_venv()
    wanted = f"{ROOT}[{','.join(sorted(extras))}]" if extras else str(ROOT)
    run(PYTHON, "-Im", "pip", "install", "--constraint", PINS[1], "--editable", wanted)
    stamp = {"place": location(), "pins": digest(*PINS), "extras": sorted(extras)}
    finished = STAMP.with_suffix(".new")
    finished.write_text(json.dumps(stamp))
    finished.replace(STAMP)
    say(f"{VENV} is ready")


def make_room() -> None:
    """Remove a .venv that cannot be used, if this script made it."""
    trash = ROOT / ".venv.old"
    shutil.rmtree(trash, ignore_errors=True)
    if VENV.exists() and not STAMP.exists() and any(VENV.iterdir()):
        sys.exit(f"{VENV} was not made by this script: move it away, then start again")
    if VENV.exists():
        VENV.rename(trash)  # in one step: half a .venv would look like someone else's
        shutil.rmtree(trash)


def make_venv() -> None:
    """Make an environment that has pip."""
    with_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(VENV, symlinks=True, with_pip=with_pip)
    if not with_pip:
        with tempfile.TemporaryDirectory() as folder:
            wheel = fetch_pip(Path(folder))
            run(PYTHON, "-I", wheel / "pip", "install", "--no-index", wheel)


def fetch_pip(folder: Path) -> Path:
    """Download pip from the package index in pip's configuration."""
    index = urllib.parse.urlsplit(pip_option("index-url") or "https://pypi.org/simple")
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if index.username:
        user, password = (urllib.parse.unquote(x or "") for x in (index.username, index.password))
        index = index._replace(netloc=index.netloc.rpartition("@")[2])
        passwords.add_password(None, index.netloc, user, password)
    login = urllib.request.HTTPBasicAuthHandler(passwords)

    def download(url: str, context: ssl.SSLContext) -> tuple[str, bytes]:
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), login)
        with opener.open(url, timeout=60) as response:
            return response.url, response.read()

    def download_wheel(context: ssl.SSLContext) -> bytes:
        url, page = download(f"{index.geturl().rstrip('/')}/pip/", context)
        link = re.search(rf"""href=["']([^"']*{re.escape(PIP)}[^"']*)""", page.decode())
        if not link:
            sys.exit(f"{url} has no {PIP}")
        return download(urllib.parse.urljoin(url, html.unescape(link[1])), context)[1]

    say(f"this Python has no ensurepip; fetching {PIP} from {index.geturl()}")
    try:
        data = download_wheel(ssl.create_default_context(cafile=pip_option("cert")))
    except urllib.error.URLError as error:
        if index.username or not isinstance(error.reason, ssl.SSLCertVerificationError):
            sys.exit(f"cannot fetch pip: {error}")
        # This machine has no certificates: the digest below is enough, and pip has its own.
        data = download_wheel(ssl._create_unverified_context())
    if hashlib.sha256(data).hexdigest() != PIP_SHA256:
        sys.exit(f"{PIP} from {index.geturl()} is not the file it should be")
    wheel = folder / PIP
    wheel.write_bytes(data)
    return wheel


def pip_option(name: str) -> str | None:
    """Return one of pip's settings from the environment, else from its configuration files."""
    home = Path.home()
    config = configparser.RawConfigParser(strict=False)
    config.read(
        [
            "/etc/xdg/pip/pip.conf",
            "/etc/pip.conf",
            home / ".pip" / "pip.conf",
            Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf",
            os.environ.get("PIP_CONFIG_FILE", ""),
        ]
    )
    for section in ("install", "global"):
        if config.has_option(section, name):
            default = config.get(section, name)
            break
    else:
        default = None
    return os.environ.get("PIP_" + name.upper().replace("-", "_")) or default


def start_newer_python() -> None:
    """Replace this process by the newest Python on the path that is new enough."""
    for minor in range(20, 10, -1):
        python = shutil.which(f"python3.{minor}")
        if python:
            os.execv(python, [python, *sys.argv])
    sys.exit(f"lottery needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}")


def read_stamp() -> dict:
    """Return the content of .venv; empty if there is none or it is not complete."""
    try:
        return json.loads(STAMP.read_text() or "{}")
    except FileNotFoundError:
        return {}


def digest(*files: Path) -> str:
    """Return the SHA-256 of the files' contents."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def run(*command: object) -> None:
    """Run a command with its output on stderr; exit if it fails."""
    words = [str(word) for word in command]
    if subprocess.call(words, stdout=sys.stderr, close_fds=False):
        sys.exit(f"set-up failed at: {' '.join(words)}")


def say(message: str) -> None:
    """Print a message on stderr."""
    print(f"setup: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; start again to continue")
