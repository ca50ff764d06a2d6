"""`lottery-report`: its arguments, its files and what it says of runs."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lottery.record.files import write_json
from lottery.report import write
from lottery.report.read.groups import group_runs
from lottery.report.read.runs import read_run
from tests.conftest import TINY, Done, Lottery, real_program, snapshot
from tests.helpers.toy_records import CONFIG, TRUNK, write_controls, write_run

Report = Callable[..., Done]
ONE = {"1_accuracy", "2_parameters", "3_layers", "4_learning"}


def drawn(folder: Path) -> set[str]:
    """Return the names of the figures but 5 and 9; each must be there as PNG and as PDF."""
    png, pdf = ({p.stem for p in folder.glob(f"figures/*.{kind}")} for kind in ("png", "pdf"))
    assert png == pdf
    return png - {"5_flops", "9_training"}


def test_one_run_is_reported_into_its_folder_and_again_the_same(
    report: Report, folder: Path
) -> None:
    run = write_run(folder / "outputs" / TRUNK / "seed_0")
    before = snapshot(run)
    contents = []
    for _ in range(2):
        done = report("outputs")
        assert (done.code, done.out, done.err) == (0, f"{run / 'report.html'}\n", "")
        files = [run / "report.html", run / "report.md", *sorted(run.glob("figures/*"))]
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]
    assert drawn(run) == ONE
    new = {name.partition("/")[0] for name in snapshot(run).keys() - before.keys()}
    assert new == {"report.html", "report.md", "figures"}
    page = (run / "report.html").read_text()
    # Nothing is fetched from elsewhere
    (source,) = re.findall(r'<script src="(.*)"', page)
    assert (run / source).resolve().parent == folder / "outputs" / ".report"
    assert "://" not in re.sub(r"(?s)<script>.*?</script>", "", page)
    assert '<link rel="stylesheet' not in page
    assert f"<title>{TRUNK}, seed 0</title>" in page


def test_many_runs_are_reported_into_a_folder_of_their_own(
    report: Report, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = write_controls(folder / "outputs", seeds=[0])
    before = snapshot(folder / "outputs")
    assert report("outputs").out == f"{folder / 'report' / 'report.html'}\n"
    assert drawn(folder / "report") == ONE | {"6_settings"}
    assert snapshot(folder / "outputs") == before
    text = (folder / "report" / "report.md").read_text()
    assert text.startswith("# 4 settings, 4 runs\n")
    names = set(snapshot(folder / "report"))
    # a report that is made again replaces the earlier one, which had more figures
    report(runs[0], "--out", "report")
    assert drawn(folder / "report") == ONE
    assert set(snapshot(folder / "report")) < names
    assert "settings" not in (folder / "report" / "report.md").read_text().splitlines()[0]
    monkeypatch.setattr(write, "save_figure", lambda figure, folder: None)  # once is enough
    assert report(*runs[:2], "--out", "two").out == f"{folder / 'two' / 'report.html'}\n"


@pytest.mark.usefixtures("no_pictures")
def test_the_answer_and_the_tables(report: Report, folder: Path) -> None:
    write_controls(folder / "outputs")
    report("outputs")
    text = (folder / "report" / "report.md").read_text()
    # 95.1 % dense, 0.4 points more each round, the same for every seed
    assert "+1.20 points (the same in all 3 seeds)" in text
    assert "It beats the dense network" in text
    assert "| ticket | random ticket | 2 | 64.00 | 3 | +4.80 | all equal |" in text
    assert "| random pruning | lenet_300_100 on digits | 3 | 95.10 | 1 | 80.00 | 92.10 |" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_page_to_mail_is_one_file(report: Report, folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    assert report(run, "--self-contained", "--out", "mail").code == 0
    page = (folder / "mail" / "report.html").read_text()
    assert "<script src" not in page
    assert len(page) > 1_000_000  # plotly.js is in it


@pytest.mark.usefixtures("no_pictures")
def test_under_three_seeds_there_is_no_verdict(report: Report, folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0", tests=[0.95, 0.99, 0.94])
    report(run)
    text = (run / "report.md").read_text()
    assert "+4.00 points (1 seed)" in text
    # three times in the head, twice in the answer and in the table, once in the rules
    assert text.count("not enough seeds to say") == 8
    assert "It beats" not in text


@pytest.mark.usefixtures("no_pictures")
def test_the_margin_of_matching_is_the_users(report: Report, folder: Path) -> None:
    for seed in range(3):
        tests = [0.95 + 0.001 * seed, 0.947 + 0.0012 * seed]
        write_run(folder / "o" / TRUNK / f"seed_{seed}", tests=tests)
    for options, words in (
        ((), ("It is behind the dense network", "The margin is 0.2 points")),
        (("--margin", "0.5"), ("matches the dense network within 0.5 points", "margin is 0.5")),
    ):
        assert report("o", *options).code == 0
        text = (folder / "report" / "report.md").read_text()
        assert all(found in text for found in words)


@pytest.mark.parametrize("margin", ["0", "-1", "nan", "inf", "much"])
def test_a_wrong_margin_writes_nothing(report: Report, folder: Path, margin: str) -> None:
    write_run(folder / "o" / TRUNK / "seed_0")
    before = snapshot(folder)
    done = report("o", f"--margin={margin}")
    assert (done.code, done.out) == (2, "")
    assert f"--margin: '{margin}': a number above 0, such as 0.5" in done.err
    assert snapshot(folder) == before


def test_a_dense_network_alone(report: Report, folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0", tests=[0.95])
    assert report(run).code == 0
    assert drawn(run) == ONE
    text = (run / "report.md").read_text()
    assert "Only the dense network is trained" in text
    assert "95.00 %" in text


@pytest.mark.usefixtures("no_pictures")
def test_mixed_settings(report: Report, folder: Path) -> None:
    other = "mnist-lenet_5-magnitude-0.3-global-rewind-99999999"
    write_run(folder / "o" / TRUNK / "seed_0")
    write_run(folder / "o" / TRUNK / "seed_1", tests=[0.9], status="running", asked=3)
    write_run(
        folder / "o" / other / "seed_7",
        tests=[0.99, 0.98],
        rate=0.3,
        canonical=CONFIG
        | {"dataset._target_": "lottery.data.MNIST", "model._target_": "lottery.models.LeNet5"}
        | {"scope._target_": "lottery.pruning.Global", "pruning.rate": 0.3},
    )
    assert report("o").code == 0
    text = (folder / "report" / "report.md").read_text()
    assert "lenet_300_100 on digits" in text
    assert "lenet_5 on mnist" in text
    assert "mnist, lenet_5, global, rate=0.3" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_sweeps_folder_stands_for_its_jobs(report: Report, folder: Path) -> None:
    runs = write_controls(folder / "outputs", seeds=[0])
    for number, run in enumerate([*runs[:2], folder / "never began"]):
        write_json(folder / "sweep" / "jobs" / f"{number}.json", {"run": str(run)})
    (folder / "sweep" / "jobs" / "9.json").write_text("damaged")
    assert report("sweep", "--out", "sweep").code == 0
    text = (folder / "sweep" / "report.md").read_text()
    assert text.startswith("# 2 settings, 2 runs\n")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("copied", [False, True])
def test_the_runs_of_a_sweep_that_was_moved_are_those_beside_it(
    report: Report, folder: Path, copied: bool
) -> None:
    runs = write_controls(folder / "outputs", seeds=[0])
    for number, run in enumerate(runs[:2]):
        jobs = folder / "outputs" / "sweeps" / "1" / "jobs"
        write_json(jobs / f"{number}.json", {"run": str(run)})
    move = shutil.copytree if copied else shutil.move
    move(folder / "outputs", folder / "elsewhere" / "outputs")
    assert report("elsewhere/outputs/sweeps/1", "--out", "out").code == 0
    text = (folder / "out" / "report.md").read_text()
    assert text.startswith("# 2 settings, 2 runs\n")
    assert f"| {folder / 'elsewhere'}/outputs/{TRUNK}/seed_0 |" in text


def test_a_real_run(lottery: Lottery, report: Report) -> None:
    run = lottery(*TINY, "logger=none").run
    assert report(run).code == 0
    assert drawn(run) == ONE | {"11_units"}
    assert (run / "figures" / "5_flops.png").exists()
    text = (run / "report.md").read_text()
    row = pd.read_csv(run / "results.csv").iloc[1]
    assert f"| 1 (best) | {100 * row.remaining:.2f} | {row.params_remaining:,.0f} |" in text
    assert f" | {100 * row.val:.2f} | {100 * row.test:.2f} | " in text
    (setting,), _ = group_runs([read_run(run)])
    assert (setting.role, setting.option("model")) == ("ticket", "lenet_300_100")


@pytest.mark.usefixtures("no_pictures")  # they show 14 settings at most
def test_200_runs_in_less_than_15_seconds(report: Report, folder: Path) -> None:
    for number in range(200):
        setting, seed = divmod(number, 5)
        name = f"digits-lenet-magnitude-0.2-layerwise-rewind-{setting:08d}"
        write_run(
            folder / "o" / name / f"seed_{seed}",
            tests=[0.95 - 0.001 * r for r in range(9)],
            canonical=CONFIG | {"optimizer.lr": 0.001 * (1 + setting)},
        )
    start = time.process_time()  # whatever else the machine does
    assert report("o").code == 0
    assert time.process_time() - start < 15
    text = (folder / "report" / "report.md").read_text()
    assert text.startswith("# 40 settings, 200 runs\n")
    assert "Pictures of figures show the first 14 of 40 settings" in text
    assert "**32 more settings**" in text
    assert text.count("| lr=0.04 |") == 2  # verdicts and settings


def test_a_report_needs_no_torch(folder: Path) -> None:
    run = write_run(folder / TRUNK / "seed_0")
    done = real_program(
        "import sys\n"
        "from lottery.cli import report\n"
        f"sys.argv = ['lottery-report', {str(run)!r}]\n"
        "report.main()\n"
        "heavy = {'torch', 'pytorch_lightning', 'hydra', 'plotly.graph_objects',\n"
        "         'matplotlib.pyplot'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    assert done == Done(0, f"{run / 'report.html'}\n", "")
