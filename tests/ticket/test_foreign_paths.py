"""Paths and sizes in a stranger's ticket or run: nothing hangs, nothing is written elsewhere."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lottery as package
from lottery.config.from_run_json import settings_of_run
from lottery.errors import LotteryError
from lottery.record.files import read_json, write_json
from lottery.record.opened_run import open_run
from lottery.record.records import read_run_json, write_run_json
from lottery.record.run_dir import RunDir
from lottery.stability.run import StabilityOptions, _settings
from tests.conftest import PATIENCE, Done, environment, snapshot
from tests.helpers.foreign import forge_run
from tests.helpers.tickets import TicketCommand, assert_passed, assert_refused, sign_again
from tests.helpers.toy_image_folders import write_images

FEW = ("--pairs", 1, "--points", 3)


def text_at(path: object) -> dict[str, Any]:
    return {"_target_": "lottery.data.Text", "file": str(path), "length": 64}


def specials(folder: Path) -> list[str]:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    paths = [*(folder / name for name in ("pipe", "link")), "/dev/zero", "/dev/stdin"]
    return [*map(str, paths), "/proc/self/status", "/proc/kmsg", "x" * 5000, "a\0b"]


def test_pipes_and_devices_are_not_read(
    folder: Path, run: Path, ticket: TicketCommand, stability: Callable[..., Done]
) -> None:
    assert_passed(ticket(run))
    ours = read_json(run / "run.json")["settings"]["dataset"]
    for path in specials(folder):
        sign_again(RunDir(run).ticket, dataset=ours | text_at(path))
        assert_refused(ticket(run / "ticket"), "ticket.json", "no plain file")
        forge_run(run, dataset=ours | text_at(path))
        assert_refused(stability(run, *FEW), "run.json", "no plain file")
        forge_run(run, dataset=ours | {"root": path})
        assert_refused(stability(run, *FEW), "run.json: dataset.root=", "no plain file")
        forge_run(run, dataset=ours)


def test_nothing_is_fetched_or_written_where_a_file_says(
    folder: Path, run: Path, ticket: TicketCommand, stability: Callable[..., Done]
) -> None:
    assert_passed(ticket(run))
    mnist: dict[str, Any] = {
        "_target_": "lottery.data.Mnist",
        "name": "mnist",
        "normalize": "unit",
        "root": str(folder / "victim"),
        "base_url": "http://127.0.0.1:9/",  # an answer would be "refused", not "missing"
        "download": True,
    }
    ours = read_json(run / "run.json")["settings"]["dataset"]
    forge_run(run, dataset=ours | mnist)
    sign_again(RunDir(run).ticket, dataset=ours | mnist)
    for done in (stability(run, *FEW), ticket(run / "ticket")):
        assert_refused(done, "is missing", "lottery-data download mnist")
    assert not (folder / "victim").exists()


def test_no_list_and_no_cache_is_made_among_foreign_images(
    folder: Path, run: Path, ticket: TicketCommand
) -> None:
    write_images(folder / "pets")
    assert_passed(ticket(run))
    ours = read_json(run / "run.json")["settings"]["dataset"]
    images = {
        "_target_": "lottery.data.ImageFolder",
        "folder": str(folder / "pets"),
        "image_size": [8, 8],
        "normalize": "unit",
        "batch_size": 4,
    }
    sign_again(RunDir(run).ticket, dataset=ours | images)
    before = snapshot(folder / "pets")
    assert_refused(ticket(run / "ticket"), "other content than the run's")
    assert snapshot(folder / "pets") == before


def test_features_are_kept_in_the_runs_own_folders(run: Path) -> None:
    forge_run(run, output_dir="/tmp/elsewhere")
    assert _settings(open_run(run), StabilityOptions()).output_dir == str(run)
    home = str(run.parent.parent)
    forge_run(run, output_dir=home)
    assert _settings(open_run(run), StabilityOptions()).output_dir == home


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_shape", [1 << 40]),
        ("input_shape", [1, 8, -8]),
        ("input_shape", []),
        ("num_classes", 1 << 40),
        ("num_classes", 0),
        ("num_tokens", -3),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(
    name: str, value: object, run: Path, ticket: TicketCommand
) -> None:
    assert_passed(ticket(run))
    entry: Any = read_run_json(RunDir(run))
    write_run_json(RunDir(run), entry | {name: value})
    with pytest.raises(LotteryError, match=r"run.json: .*no sizes of real data"):
        package.load_run(run).model(1)
    sign_again(RunDir(run).ticket, **{name: value})
    with pytest.raises(LotteryError, match=r"ticket.json: .*no sizes of real data"):
        package.load_ticket(run / "ticket")
    assert_refused(ticket(run / "ticket"), "no sizes of real data", code=1)


@pytest.mark.parametrize(
    "model",
    [
        {"_target_": "lottery.models.LeNet300100", "_args_": [None]},
        {"_target_": "lottery.models.ConvN", "num_convs": "x"},
        {"_target_": "torch.nn.Linear", "in_features": 1 << 50, "out_features": 1 << 50},
        {"_target_": "torch.nn.Linear", "in_features": 64, "out_features": 10, "dtype": "x"},
        {"_target_": "torch.nn.Sequential", "_args_": [1, 2]},
        {"_target_": "torch.nn.Softmax"},
        {"_target_": "lottery.data.Digits"},
        {"_target_": "lottery.models.VGG16Head", "weights": "x"},
        {"_target_": None},
        {"_target_": ["x"]},
        {},
    ],
)
def test_a_network_that_cannot_be_made_is_one_line(
    model: dict[str, Any], run: Path, ticket: TicketCommand
) -> None:
    forge_run(run, model=model | {"loss": "cross_entropy", "rates": []})
    with pytest.raises(LotteryError) as error:
        package.load_run(run).model(1)
    assert "\n" not in str(error.value)
    done = ticket(run)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) == 1


def test_settings_that_do_not_belong_to_the_config_are_refused(run: Path) -> None:
    entry = read_json(run / "run.json")
    other = entry["settings"]["optimizer"] | {"lr": 0.5}
    write_json(run / "run.json", entry | {"settings": entry["settings"] | {"optimizer": other}})
    with pytest.raises(LotteryError, match="settings and config are of different runs"):
        settings_of_run(open_run(run), trust_code=False)


def test_a_ticket_lists_its_own_files_only(run: Path, ticket: TicketCommand) -> None:
    assert_passed(ticket(run))
    taken = RunDir(run).ticket
    entry = read_json(taken.ticket_json)
    for name in ("../../run/run.json", "/etc/passwd"):
        sign_again(taken, files=entry["files"] | {name: "0" * 64})
        assert_refused(ticket(run / "ticket"), "ticket.json", name, code=1)


def test_pythons_own_modules_are_not_looked_for_in_the_folder(
    folder: Path, run: Path, tmp_path: Path
) -> None:
    names = ("random", "pickle", "struct", "selectors", "tempfile", "hashlib", "socket", "queue")
    for name in names:
        (run / f"{name}.py").write_text(f"open({str(folder / 'mark')!r}, 'w').close()\n")
    script = tmp_path / "bin" / "lottery-ticket"  # as pip installs it
    script.parent.mkdir()
    script.write_text(
        "from lottery.cli.ticket import main\n\nif __name__ == '__main__':\n    main()\n"
    )
    done = subprocess.run(
        [sys.executable, script, "."],
        cwd=run,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(),
        check=False,
    )
    assert done.stdout.endswith("PASS\n"), done.stdout + done.stderr
    assert not (folder / "mark").exists()
