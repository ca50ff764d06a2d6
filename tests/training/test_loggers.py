"""Loggers and callbacks: TensorBoard's files read back, CSV, none, a user's own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from lottery import load_run
from tests.conftest import PATIENCE, QUICK, Done


def read_events(folder: Path) -> EventMultiplexer:
    multiplexer = EventMultiplexer(size_guidance={"scalars": 0, "histograms": 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    return multiplexer


def scalars(events: EventMultiplexer, run: str, tag: str) -> list[tuple[int, float]]:
    return [
        (event.step, pytest.approx(event.value, abs=1e-6)) for event in events.Scalars(run, tag)
    ]


def test_tensorboard_has_a_run_per_round_with_the_history(lottery: Callable[..., Done]) -> None:
    run = load_run(lottery(*QUICK).run)
    events = read_events(run.path / "tensorboard")
    assert sorted(events.Runs()) == ["round_00", "round_01", "round_02", "rounds"]
    history = run.history
    for number in (0, 1, 2):
        for split, name in (("train", "loss"), ("val", "loss"), ("val", "accuracy")):
            rows = history[(history["round"] == number) & (history["split"] == split)]
            expected = list(zip(rows["iteration"], rows[name], strict=True))
            assert scalars(events, f"round_{number:02d}", f"{name}/{split}") == expected
        rates = events.Scalars(f"round_{number:02d}", "learning_rate")
        assert [rate.value for rate in rates] == pytest.approx([0.0012, 0.0012])


def test_tensorboards_parent_run_has_a_point_per_round(lottery: Callable[..., Done]) -> None:
    run = load_run(lottery(*QUICK).run)
    events = read_events(run.path / "tensorboard")
    for tag, column in (
        ("accuracy/val", "val"),
        ("accuracy/test", "test"),
        ("ES", "ES"),
        ("remaining/all", "remaining"),
    ):
        expected = list(zip(run.results["round"], run.results[column], strict=True))
        assert scalars(events, "rounds", tag) == expected
    layer = run.layers[run.layers["layer"] == "output.weight"]
    shares = list(zip(layer["round"], layer["remaining"] / layer["weights"], strict=True))
    assert scalars(events, "rounds", "remaining/output.weight") == shares
    histograms = events.Histograms("rounds", "weights/fc1.weight")
    kept = [int(run.masks(number)["fc1.weight"].sum()) for number in (0, 1, 2)]
    assert [histogram.histogram_value.num for histogram in histograms] == kept


def test_nothing_is_doubled_after_a_resume(lottery: Callable[..., Done]) -> None:
    run = lottery(*QUICK).run
    (run / "rounds/02/round.json").unlink()  # as if killed before the round's record
    (run / "tensorboard/rounds/events.out.tfevents.round_0002").unlink()
    assert lottery(*QUICK).code == 0
    assert lottery(*QUICK, "rounds=3").code == 0
    events = read_events(run / "tensorboard")
    assert [step for step, _ in scalars(events, "round_02", "loss/val")] == [20, 40]
    assert [step for step, _ in scalars(events, "rounds", "ES")] == [0, 1, 2, 3]


def test_a_missing_summary_of_a_finished_round_is_made_up(lottery: Callable[..., Done]) -> None:
    run = lottery(*QUICK).run
    (run / "tensorboard/rounds/events.out.tfevents.round_0001").unlink()
    assert lottery(*QUICK, "rounds=3").code == 0
    events = read_events(run / "tensorboard")
    assert [step for step, _ in scalars(events, "rounds", "ES")] == [0, 1, 2, 3]


def test_csv_logger(lottery: Callable[..., Done]) -> None:
    run = lottery(*QUICK, "logger=csv").run
    assert not (run / "tensorboard").exists()
    lines = (run / "csv/round_02/metrics.csv").read_text().splitlines()
    assert "accuracy/val" in lines[0].split(",")
    assert len(lines) == 1 + 2  # evaluations at 20 and 40


def test_no_logger(lottery: Callable[..., Done]) -> None:
    run = lottery(*QUICK, "logger=none").run
    assert not (run / "tensorboard").exists()


OWN = """
from pathlib import Path
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger

class Lines(Logger):
    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
    name = "lines"
    version = "0"
    def log_hyperparams(self, params, *args, **kwargs): ...
    def log_metrics(self, metrics, step=None):
        with self.path.open("a") as file:
            file.write(f"{step} {metrics['accuracy/val']}\\n")

class Note(Callback):
    def __init__(self, path):
        self.path = Path(path)
    def on_fit_end(self, trainer, pl_module):
        with self.path.open("a") as file:
            file.write(f"{pl_module.step}\\n")
"""


def test_a_users_own_logger_and_callback(
    lottery: Callable[..., Done], folder: Path, write_module: Callable[[str, str], Path]
) -> None:
    write_module("own_logging", OWN)
    done = lottery(
        *QUICK,
        "logger=none",
        "+logger.mine={_target_: own_logging.Lines, path: 'lines-{round}'}",
        "+callbacks.note={_target_: own_logging.Note, path: notes}",
    )
    assert done.code == 0, done.err
    assert (folder / "notes").read_text() == "40\n" * 3  # a new callback each round
    history = load_run(done.run).history
    val = history[(history["round"] == 1) & (history["split"] == "val")]
    written = [line.split() for line in (folder / "lines-round_01").read_text().splitlines()]
    assert [int(step) for step, _ in written] == [20, 40]
    assert [float(accuracy) for _, accuracy in written] == val["accuracy"].tolist()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+callbacks.mine._target_=nowhere.Callback", "callbacks.mine._target_=nowhere.Callback"),
        ("+logger.csv={_target_: pytorch_lightning.loggers.CSVLogger, colour: red}", "logger.csv"),
        ("+callbacks.mine=3", "callbacks.mine=3"),
    ],
)
def test_a_wrong_logger_or_callback_is_one_line(
    lottery: Callable[..., Done], folder: Path, override: str, words: str
) -> None:
    done = lottery(*QUICK, override)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert words in done.err
    assert list(folder.iterdir()) == []


@pytest.fixture
def tensorboard_url(folder: Path) -> Iterator[str]:
    """A real TensorBoard over the outputs of the folder."""
    try:
        socket.gethostbyname("localhost")
    except OSError:
        pytest.skip("TensorBoard needs the name localhost, which this machine does not know")
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "outputs", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        yield next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+/", line)))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def fetch(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_real_server_shows_scalars_and_hparams(
    lottery: Callable[..., Done], request: pytest.FixtureRequest
) -> None:
    run = load_run(lottery(*QUICK, "seed=3").run)
    url = request.getfixturevalue("tensorboard_url")
    names = []
    while not any(name.endswith("/rounds") for name in names):  # it loads in the background
        names = fetch(f"{url}data/runs")
    name = next(name for name in names if name.endswith("/rounds"))
    assert re.match(r"digits-lenet_300_100-magnitude-0.2-layerwise-rewind-\w+/seed_3/", name)
    points = fetch(f"{url}data/plugin/scalars/scalars?run={name}&tag=accuracy/test")
    assert [(step, value) for _, step, value in points] == [
        (row["round"], pytest.approx(row["test"])) for _, row in run.results.iterrows()
    ]
    question = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"],
        "colParams": [],
        "startIndex": 0,
        "sliceSize": 10,
    }
    groups = fetch(f"{url}data/plugin/hparams/session_groups", question)["sessionGroups"]
    assert len(groups) == 1
    assert groups[0]["hparams"]["Seed"] == 3
    assert groups[0]["hparams"]["Pruning rate"] == 0.2
    metrics = {m["name"]["tag"]: m["value"] for m in groups[0]["metricValues"]}
    assert metrics["accuracy/test"] == pytest.approx(run.results["test"].iloc[-1])
