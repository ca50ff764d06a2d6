"""The page in a real browser: figures are drawn and fit, tables sort, settings are chosen."""

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
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (a Debian package)"),
    pytest.mark.usefixtures("no_pictures"),  # a browser shows the page alone
]

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
# Sorts the verdicts by their gain, once and again; chooses the controls, switches the ticket off,
# takes the other colours, and notes in the page's title what is there then.
USED = """
<script>
const seen = [];
const verdicts = document.querySelector("table");
const gain = [...verdicts.tHead.rows[0].cells].find((head) => /minus/.test(head.textContent));
for (const click of [1, 2]) {
  gain.querySelector("button").click();
  seen.push(gain.getAttribute("aria-sort"), verdicts.tBodies[0].rows[0].cells[0].textContent);
}
const first = "#figure_6_settings .panel:first-child";
const traces = () => document.querySelectorAll(`${first} g.trace`).length;
const select = document.querySelector("#chooser select");
seen.push([...select.options].map((option) => option.text).join("/"));
select.value = 1;
select.dispatchEvent(new Event("change"));
const before = traces();
document.querySelector("#chooser .legend button").click();
seen.push(`${before} - ${before - traces()}`);
const color = () => document.querySelector("text.xtitle").style.fill;
const light = color();
document.querySelector("#theme").click();
seen.push(String(light !== color()));
document.title = seen.join("|");
</script>
"""


def open_page(page: Path, width: int, used: str = "") -> tuple[str, list[str]]:
    """Return the page's DOM after its scripts have run, and the lines that they logged."""
    assert CHROMIUM is not None
    narrow, profile = page.with_name("page.html"), page.parent / "profile"
    # Chromium's windows are some 500 pixels wide at least
    text = page.read_text().replace("<body>", f'<body style="width: {width}px">')
    narrow.write_text(text.replace("</body>", f"{used}</body>"))
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", narrow.as_uri()],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"HOME": str(profile)},
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def check_figures(dom: str, panels: int, width: int) -> None:
    plots = re.findall(r'<svg class="main-svg"[^>]* width="(\d+)', dom)
    assert len(plots) >= panels >= 5
    assert max(map(int, plots)) <= min(width - 32, 820)
    # By default plotly offers to send the data to its makers
    assert 'data-title="Share' not in dom
    assert dom.count('class="scatterlayer') >= panels


@pytest.mark.parametrize("width", [1280, 400])
def test_every_figure_of_a_run_is_drawn_in_the_width_there_is(tmp_path: Path, width: int) -> None:
    page = write_report([write_run(tmp_path / TRUNK / "seed_0")], tmp_path / "report")
    dom, console = open_page(page, width)
    assert console == []
    check_figures(dom, page.read_text().count('<div class="panel">'), width)


@pytest.mark.parametrize("width", [1280, 400])
def test_a_report_of_several_settings_can_be_used(tmp_path: Path, width: int) -> None:
    runs = write_controls(tmp_path / "outputs", seeds=[0, 1])
    page = write_report(runs, tmp_path / "report")
    dom, console = open_page(page, width, USED)
    assert console == []
    check_figures(dom, 9, width)
    (title,) = re.findall(r"<title>(.*?)</title>", dom)
    choices = "all settings/controls: ticket/criterion: ticket and 1 more"
    up, down = "ascending|random pruning", "descending|ticket"
    assert title == f"{up}|{down}|{choices}|12 - 3|true"  # a line and its band's two edges


def test_a_page_that_was_copied_alone_says_what_is_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "outputs" / TRUNK / "seed_0")
    page = write_report([run], run)
    copy = tmp_path / "mailed" / "report.html"
    copy.parent.mkdir()
    shutil.copy(page, copy)
    dom, _ = open_page(copy, 1280)
    note = re.findall(r'<p class="note" id="no_plotly">(.*?)</p>', dom, re.DOTALL)
    assert "../../.report/plotly-" in note[0]
    assert '<img class="still" loading="lazy" src="figures/1_accuracy.png"' in dom
    assert '<svg class="main-svg"' not in dom
