"""The site of `scripts/docs`: no broken link, a row for each key, search without a server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lottery.config.settings import Settings
from tests.docs.blocks import ROOT

pytest.importorskip("mkdocs", reason="scripts/docs installs mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The built site; a warning, such as one of a link, would end the build."""
    path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--site-dir", str(path)],
        cwd=ROOT,
        env=quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path


def test_every_key_has_a_row(site: Path) -> None:
    page = (site / "reference/settings.html").read_text()
    plain = [name for name in Settings.__annotations__ if name not in ("copying", "config")]
    for key in ("seed", "rounds", "pruning.rate", "trainer.threads", "criterion.shuffle"):
        assert f"<code>{key}</code>" in page
    assert len(plain) > 20
    assert all(f"<code>{name}" in page for name in plain)


def test_every_option_and_command_has_an_entry(site: Path) -> None:
    options = (site / "reference/groups.html").read_text()
    commands = (site / "reference/commands.html").read_text()
    assert "criterion=snip" in options
    assert "lottery-ticket" in commands
    assert "usage:" in commands


def test_python_names_have_their_docstrings(site: Path) -> None:
    page = (site / "reference/python.html").read_text()
    for name in ("load_runs", "load_ticket", "histories", "trust_code"):
        assert name in page


def test_search_needs_no_server(site: Path) -> None:
    assert "early-stopping" in (site / "search/search_index.js").read_text()
    for page in site.rglob("*.html"):
        assert 'src="https://' not in page.read_text()
