#!/usr/bin/env python3
"""Make .venv and install the pinned versions into it, unless that is done already.

    scripts/setup_venv.py [EXTRA ...]

Needs Python 3.11 and its standard library only: no pip, no ensurepip (Debian's Python has
neither), no root. Everything it says goes to stderr. Any number of them may start at once; one
that was interrupted is done again.
"""

from __future__ import annotations  # so that an old Python gets as far as the message about it

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
STAMP = VENV / "lottery.json"  # what .venv holds; empty while it is being made
PIP = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def main() -> None:
    """Set .venv up, once."""
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
        os.set_inheritable(lock.fileno(), True)  # a pip that outlives us keeps the lock
        if not is_ready(extras):
            set_up(extras)


def is_ready(extras: set[str]) -> bool:
    """Whether .venv holds these pins and extras."""
    stamp = read_stamp()
    return is_usable(stamp) and stamp["pins"] == digest(*PINS) and extras <= set(stamp["extras"])


def is_usable(stamp: dict) -> bool:
    """Whether .venv is whole, stands where it was made, and has the same Python behind it."""
    return bool(stamp) and stamp["place"] == place()


def place() -> list[str]:
    """What a virtual environment does not survive a change of."""
    return [str(VENV), os.path.realpath(PYTHON)]


def set_up(extras: set[str]) -> None:
    """Make .venv anew, or bring a whole one to the present pins."""
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
    stamp = {"place": place(), "pins": digest(*PINS), "extras": sorted(extras)}
    finished = STAMP.with_suffix(".new")
    finished.write_text(json.dumps(stamp))
    finished.replace(STAMP)
    say(f"{VENV} is ready")


def make_room() -> None:
    """Remove a .venv that is not usable, if it is ours."""
    trash = ROOT / ".venv.old"
    shutil.rmtree(trash, ignore_errors=True)
    if VENV.exists() and not STAMP.exists() and any(VENV.iterdir()):
        sys.exit(f"{VENV} was not made by this script: move it away, then start again")
    if VENV.exists():
        VENV.rename(trash)  # in one step, so that no half of it is ever taken for someone else's
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
    """Download pip from the package index that pip is configured to use."""
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
        # A machine without certificates: the digest below is enough, and pip brings its own.
        data = download_wheel(ssl._create_unverified_context())
    if hashlib.sha256(data).hexdigest() != PIP_SHA256:
        sys.exit(f"{PIP} from {index.geturl()} is not the file it should be")
    wheel = folder / PIP
    wheel.write_bytes(data)
    return wheel


def pip_option(name: str) -> str | None:
    """One of pip's settings, from the environment or else from its configuration files."""
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
    """Replace this process by the newest Python on the path, if that is new enough."""
    for minor in range(20, 10, -1):
        python = shutil.which(f"python3.{minor}")
        if python:
            os.execv(python, [python, *sys.argv])
    sys.exit(f"lottery needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}")


def read_stamp() -> dict:
    """What .venv holds; empty if there is none or it is not whole."""
    try:
        return json.loads(STAMP.read_text() or "{}")
    except FileNotFoundError:
        return {}


def digest(*files: Path) -> str:
    """SHA-256 of the files' contents."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def run(*command: object) -> None:
    """Run a command, its output on stderr; leave if it fails."""
    words = [str(word) for word in command]
    if subprocess.call(words, stdout=sys.stderr, close_fds=False):
        sys.exit(f"set-up failed at: {' '.join(words)}")


def say(message: str) -> None:
    """Tell the user, on stderr."""
    print(f"setup: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the next start does it again")
