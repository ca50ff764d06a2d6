"""The page in a real browser: every figure is drawn, fits a telephone, and logs no error."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lottery.report import write_report
from tests.conftest import PATIENCE
from tests.helpers.toy_records import TRUNK, write_controls, write_run

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (a Debian package)")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,2000",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
    "--dump-dom",
)


def open_page(page: Path, width: int, profile: Path) -> tuple[str, list[str]]:
    """Return the page's DOM after its scripts have run, and the lines that they logged."""
    assert CHROMIUM is not None
    narrow = page.with_name("page.html")  # Chromium's windows are some 500 pixels wide at least
    narrow.write_text(page.read_text().replace("<body>", f'<body style="width: {width}px">'))
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", narrow.as_uri()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"HOME": str(profile)},
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.usefixtures("no_pictures")  # a browser shows the page alone
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("what", ["one run", "a sweep"])
def test_every_figure_is_drawn_in_the_width_there_is(
    tmp_path: Path, what: str, width: int
) -> None:
    if what == "one run":
        runs = [write_run(tmp_path / TRUNK / "seed_0")]
    else:
        runs = write_controls(tmp_path / "outputs", seeds=[0, 1])
    page = write_report(runs, tmp_path / "report")
    panels = page.read_text().count('<div class="panel">')
    dom, console = open_page(page, width, tmp_path / "profile")
    assert console == []
    plots = re.findall(r'<svg class="main-svg"[^>]* width="(\d+)', dom)
    assert len(plots) >= panels >= 5
    assert max(map(int, plots)) <= min(width - 32, 820)
    # By default plotly offers to send the data to its makers
    assert 'data-title="Share' not in dom
    assert dom.count('class="scatterlayer') >= panels
