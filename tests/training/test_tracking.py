"""Weights & Biases offline, and MLflow in a database: what they have stored is read back."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lottery import load_run
from lottery.record.run_dir import runs_below
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.wandb_files import OfflineRun, read_offline_runs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ROUNDS = ["round_00", "round_01", "round_02", "rounds"]
# Ends the run once, in the middle of a round.
STOP = """
import signal
from pathlib import Path
from pytorch_lightning import Callback

class StopOnce(Callback):
    def __init__(self, run, at):
        self.stops = at in run
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if self.stops and pl_module.step == 10 and not Path("stopped").exists():
            Path("stopped").touch()
            signal.raise_signal(signal.SIGTERM)
"""
STOPPING = "+callbacks.stop={_target_: stop_once.StopOnce, run: '{run_dir} {round}', at: '%s'}"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this goes over the network, or into the home folder."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / ".wandb_cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / ".wandb_data"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def wandb_runs() -> Iterator[Callable[[Path], list[OfflineRun]]]:
    """Return a function that reads the runs below a folder, once W&B has written all."""
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")

    def read(folder: Path) -> list[OfflineRun]:
        wandb.teardown()
        return read_offline_runs(folder)

    yield read
    wandb.teardown()


@pytest.fixture
def mlflow_runs() -> Callable[[], dict[str, list[Any]]]:
    """Return MLflow's runs that are not deleted, by the name of their parent or their own."""
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="the extra mlflow is not installed")
    from mlflow.tracking import MlflowClient

    def read() -> dict[str, list[Any]]:
        client = MlflowClient(database())
        found = client.search_runs([client.get_experiment_by_name("lottery").experiment_id])
        names = {run.info.run_id: run.info.run_name for run in found}
        groups: dict[str, list[Any]] = {}
        for run in sorted(found, key=lambda run: run.info.run_name):
            parent = run.data.tags.get("mlflow.parentRunId", run.info.run_id)
            groups.setdefault(names[parent], []).append(run)
        return groups

    return read


def database() -> str:
    return f"sqlite:///{Path('outputs').absolute()}/mlflow.db"  # MLflow keeps its connections


def points_of(run: Any, metric: str) -> list[tuple[int, float]]:
    from mlflow.tracking import MlflowClient

    history = MlflowClient(database()).get_metric_history(run.info.run_id, metric)
    return [(point.step, point.value) for point in history]


def test_a_sweep_has_a_run_for_each_round_and_no_doubles_after_a_stop(
    wandb_runs: Callable[[Path], list[OfflineRun]],
    mlflow_runs: Callable[[], dict[str, list[Any]]],
    lottery: Lottery,
    write_module: WriteModule,
) -> None:
    write_module("stop_once", STOP)
    command = ("-m", "seed=0,1", *TINY, "rounds=2", "logger=[wandb,mlflow]")
    assert lottery(*command, STOPPING % "seed_1 round_01").code == 128 + signal.SIGTERM
    assert lottery(*command).code == 0
    in_wandb, in_mlflow = wandb_runs(Path("outputs")), mlflow_runs()
    assert len(in_wandb) == 8
    assert len(in_mlflow) == 2
    for path in runs_below(Path("outputs")):
        name = f"{path.parent.name}-{path.name}"
        check_wandb([run for run in in_wandb if run.group == name], load_run(path).results)
        check_mlflow(in_mlflow[f"rounds {name}"], load_run(path).results)
    assert not Path("mlruns").exists()


def check_wandb(runs: list[OfflineRun], results: pd.DataFrame) -> None:
    assert [run.id.partition("-")[2] for run in runs] == ROUNDS
    assert [run.name.split()[0] for run in runs] == ROUNDS
    assert [run.exit_codes for run in runs] == [[0]] * 4
    parent = runs[-1]
    assert parent.column("accuracy/val") == results["val"].tolist()
    assert parent.column("remaining/all") == results["remaining"].tolist()
    assert parent.column("remaining/output.weight") == pytest.approx([1, 0.9, 0.81])
    assert parent.config["pruning.rate"] == 0.2
    for number, run in enumerate(runs[:-1]):
        assert run.column("trainer/global_step") == [10, 20]
        assert run.config["round"] == number
        assert run.config["remaining"] == results["remaining"][number]


def check_mlflow(runs: list[Any], results: pd.DataFrame) -> None:
    assert [run.info.run_name.split()[0] for run in runs] == ROUNDS
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert points_of(runs[-1], "accuracy/val") == list(enumerate(results["val"]))
    assert runs[-1].data.params["pruning.rate"] == "0.2"
    for number, run in enumerate(runs[:-1]):
        assert [step for step, _ in points_of(run, "accuracy/val")] == [10, 20]
        assert run.data.params["round"] == str(number)


def test_more_rounds_go_on_in_the_same_run_over_the_rounds(
    wandb_runs: Callable[[Path], list[OfflineRun]],
    mlflow_runs: Callable[[], dict[str, list[Any]]],
    lottery: Lottery,
) -> None:
    from mlflow.tracking import MlflowClient

    loggers = ("logger=[wandb,mlflow,csv]", "logger.mlflow.log_model=true")
    run = lottery(*TINY, *loggers).run
    (run / "report.html").write_text("a report")
    assert lottery(*TINY, *loggers, "rounds=2").code == 0
    *rounds, parent = wandb_runs(run)
    assert len(rounds) == 3
    assert parent.column("trainer/global_step") == [0, 1, 2]
    assert parent.artifacts == [["report.html"]]
    (runs,) = mlflow_runs().values()
    assert [one.info.run_name.split()[0] for one in runs] == ROUNDS
    assert [step for step, _ in points_of(runs[-1], "ES")] == [0, 1, 2]
    client = MlflowClient(database())
    files = [found.path for found in client.list_artifacts(runs[-1].info.run_id)]
    assert "report.html" in files
    assert "rounds" in files  # the ticket
    lines = (run / "csv/rounds/metrics.csv").read_text().splitlines()
    assert len(lines) == 1 + 3


def test_a_users_own_wandb_logger_has_a_run_for_each_round(
    wandb_runs: Callable[[Path], list[OfflineRun]], lottery: Lottery
) -> None:
    own = "+logger.mine._target_=pytorch_lightning.loggers.WandbLogger"
    assert lottery(*TINY, "logger=none", own).code == 0
    runs = wandb_runs(Path("wandb"))
    assert [run.id.partition("-")[2] for run in runs] == ["round_00", "round_01", "rounds"]


def test_a_wandb_run_of_the_user_goes_on(
    wandb_runs: Callable[[Path], list[OfflineRun]], lottery: Lottery, folder: Path
) -> None:
    import wandb

    with wandb.init(dir=str(folder), settings={"silent": True}) as theirs:
        with pytest.warns(UserWarning, match="already in progress"):
            assert lottery(*TINY, "logger=wandb").code == 0
        assert wandb.run is theirs
    (run,) = wandb_runs(folder)
    assert run.column("remaining/all") == pytest.approx([1, 0.802], abs=1e-3)
    assert len(run.column("loss/val")) == 4


def test_mlflow_keeps_to_the_output_dir_where_a_run_has_a_folder_of_its_own(
    mlflow_runs: Callable[[], dict[str, list[Any]]], lottery: Lottery, folder: Path
) -> None:
    before = set(folder.parent.iterdir())
    assert lottery(*TINY, "logger=mlflow", "hydra.run.dir=mine").code == 0
    assert set(folder.parent.iterdir()) == before
    assert len(mlflow_runs()) == 1


@pytest.mark.parametrize("logger", ["wandb", "mlflow"])
def test_a_missing_package_is_one_line_before_anything_is_written(
    lottery: Lottery, folder: Path, monkeypatch: pytest.MonkeyPatch, logger: str
) -> None:
    monkeypatch.setattr("lottery.config.loggers.find_spec", lambda name: None)
    done = lottery(*TINY, f"logger={logger}")
    assert done.code == 2
    assert f"pip install 'lottery[{logger}]'" in done.err
    assert len(done.err.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_a_logger_that_fails_is_one_line(
    lottery: Lottery, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "none")
    done = lottery(*TINY, "logger=wandb")
    assert done.code == 1
    assert "error: logger.wandb: " in done.err
    assert "Traceback" not in done.err
