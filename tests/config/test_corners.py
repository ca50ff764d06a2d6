"""Corners where settings meet: each was once a wrong number, a lost file or a refusal."""

from pathlib import Path

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from pytorch_lightning.loggers import CSVLogger

import lottery as package
from lottery.config.loggers import build_loggers
from lottery.record.run_dir import RunDir
from lottery.record.score import ACCURACY
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.experiments import key_of

SPLITS = """
import torch
from lottery.data import Split, Splits

class Data:
    def __init__(self, targets):
        self.targets = targets

    def load(self):
        def split(size):
            return Split(torch.rand(size, 1, 8, 8), torch.tensor(self.targets * size)[:size])
        return Splits(split(120), split(20), split(20), num_classes=2)
"""


def test_the_order_of_patterns_is_part_of_the_key() -> None:
    """The first match wins, so the other order is another setting."""
    first = "pruning.rates=[{fc*: 0.1, fc1*: 0.5}]"
    assert key_of(first) != key_of("pruning.rates=[{fc1*: 0.5, fc*: 0.1}]")
    assert key_of("pruning.rates=[{fc*: 0.1}]") != key_of("pruning.rates=[{fc*: 0.5}]")


def test_a_target_sparsity_does_not_hide_rounds_that_were_left_out(lottery: Lottery) -> None:
    trunk = lottery(*TINY, "rounds=4").run
    copy = (*TINY, "criterion=copy", f"criterion.run={trunk}")
    assert lottery(*copy, "criterion.rounds=[4]").code == 0
    done = lottery(*copy, "rounds=4", "pruning.target_sparsity=0.5")
    assert package.load_run(done.run).results["round"].tolist() == [0, 1, 2, 3, 4]


def test_keep_winner_and_single_rounds_in_any_order(lottery: Lottery) -> None:
    trunk = lottery(*TINY, "rounds=4").run
    for rounds in ("[4]", "[1,2]", "[1,3]"):
        arguments = ("criterion=copy", f"criterion.run={trunk}", "keep=winner")
        done = lottery(*TINY, *arguments, f"criterion.rounds={rounds}")
        assert done.code == 0, done.err


OWN_REINIT = """
from dataclasses import dataclass
from lottery.models.state import start_at

@dataclass(frozen=True)
class RewindAt:
    step: int
    carries_optimizer = False
    source = "rewind_point"

    @property
    def rewind_step(self):
        return self.step

    def __call__(self, stored):
        return start_at(stored.rewind_point, stored.num_steps, self.step)
"""


def test_a_trunks_rewind_point_is_taken_only_for_the_same_step(
    lottery: Lottery, write_module: WriteModule
) -> None:
    write_module("own_reinit", OWN_REINIT)
    own = ("reinit._target_=own_reinit.RewindAt", "~reinit.to", "~reinit.optimizer_state")
    trunk = lottery(*TINY, *own, "+reinit.step=5").run
    copy = (*TINY, *own, "criterion=copy", f"criterion.run={trunk}")
    same, other = lottery(*copy, "+reinit.step=5").run, lottery(*copy, "+reinit.step=10").run
    rewind = "rounds/00/rewind.safetensors"
    assert (same / rewind).read_bytes() == (trunk / rewind).read_bytes()
    assert (other / rewind).read_bytes() != (trunk / rewind).read_bytes()


def test_masks_of_another_seed_are_another_setting(lottery: Lottery) -> None:
    trunk = lottery(*TINY).run
    copy = (*TINY, "criterion=copy", f"criterion.run={trunk}")
    folders = {lottery(*copy, "seed=1").run.parent, lottery(*copy, "seed=0").run.parent}
    assert len(folders) == 2


def test_a_class_of_a_notebook_is_refused(lottery: Lottery) -> None:
    """Its content cannot be checked when the run is carried on."""
    done = lottery(*TINY, "model._target_=__main__.Net")
    assert done.code == 2
    assert "__main__.Net: put it in a file" in done.err


def test_a_changed_helper_of_a_users_file_is_refused(
    lottery: Lottery, folder: Path, write_module: WriteModule
) -> None:
    write_module("sizes", "WIDTH = 8\ndef width():\n    return WIDTH\n")
    network = "\n".join(
        [
            "from torch import nn",
            "from sizes import width",
            "class Net(nn.Sequential):",
            "    def __init__(self):",
            "        layers = nn.Linear(64, width()), nn.ReLU(), nn.Linear(width(), 10)",
            "        super().__init__(nn.Flatten(), *layers)",
        ]
    )
    write_module("network_with_helper", network)
    arguments = (*TINY, "model._target_=network_with_helper.Net", "model.rates=[]")
    assert lottery(*arguments).code == 0
    (folder / "sizes.py").write_text("WIDTH = 9\ndef width():\n    return WIDTH\n")
    done = lottery(*arguments)
    assert done.code == 2
    assert "sizes.py" in done.err


@pytest.mark.parametrize(
    ("save_dir", "name"),
    [("{run_dir}/../..", "shared"), ("{run_dir}", "rounds"), ("{run_dir}", "all")],
)
def test_only_the_rounds_own_log_folder_is_cleared(
    tmp_path: Path, save_dir: str, name: str
) -> None:
    run_dir = RunDir(tmp_path / "outputs/setting/seed_0")
    folder = Path(save_dir.replace("{run_dir}", str(run_dir.path))) / name
    precious = folder / "round_01/round.json" if name == "rounds" else folder / "notes.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    target = f"{CSVLogger.__module__}.{CSVLogger.__name__}"
    node = {"_target_": target, "save_dir": save_dir, "name": name, "version": ""}
    for version in ("", "{round}"):
        nodes = {"csv": {**node, "version": version}}
        loggers = build_loggers(nodes, run_dir, outputs=tmp_path, settings={}, score=ACCURACY)
        with loggers.round(1, {"fc": torch.ones(2)}):
            pass
        if version == "" or name == "rounds":
            assert precious.exists()


STOPPER = """
from pytorch_lightning import Callback

class Stop(Callback):
    def __init__(self, after):
        self.after = after
    def on_train_batch_end(self, trainer, pl_module, *_):
        trainer.should_stop = pl_module.step >= self.after
"""


@pytest.mark.parametrize("after", [3, 10, 13])
def test_a_callback_may_stop_a_round_anywhere(
    lottery: Lottery, write_module: WriteModule, after: int
) -> None:
    write_module("stopper", STOPPER)
    own = f"+callbacks.stop={{_target_: stopper.Stop, after: {after}}}"
    done = lottery(*TINY, own, "trainer.block=1")
    assert done.code == 0, done.err
    run = package.load_run(done.run)
    assert run.results["steps"].tolist() == [after, after]
    ends = run.history[run.history["iteration"] == after]
    assert sorted(ends[ends["round"] == 0]["split"]) == ["test", "train", "val"]


def test_run_inside_another_hydra_app(folder: Path) -> None:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(folder), version_base="1.3"):
        run = package.run(*TINY)
        assert GlobalHydra.instance().is_initialized()
    assert run.status == "finished"


TIED = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        drops = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.a = nn.Linear(64, 64)
        self.b = nn.Linear(64, 64)
        self.b.weight = self.a.weight
        self.output = nn.Linear(64, 10)

    def forward(self, x):
        if x.abs().max() > 1e6:
            raise ValueError("too large")
        return self.output(self.b(self.a(x.flatten(1)).relu()).relu())
"""


def test_tied_weights_in_a_network_that_looks_at_values(
    lottery: Lottery, write_module: WriteModule
) -> None:
    write_module("tied", TIED)
    done = lottery(*TINY, "model._target_=tied.Net", "model.rates=[]")
    assert done.code == 0, done.err
    run = package.load_run(done.run)
    assert set(run.layers["layer"]) == {"a.weight", "output.weight"}
    network = run.model(1, trust_code=True)
    assert torch.equal(network.b.weight, run.weights(1)["a.weight"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+trainer.gradient_clip_val=1", "trainer.gradient_clip_val=1: no such key"),
        ("+pruning.rat=0.1", "pruning.rat=0.1: no such key"),
        ("model.loss=nll_loss", "model.loss=nll_loss: cross_entropy"),
    ],
)
def test_what_would_have_no_effect_or_a_wrong_one_is_refused(
    lottery: Lottery, override: str, words: str
) -> None:
    done = lottery(*TINY, override)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize("override", ["~logger", "~callbacks", "~model.loss"])
def test_what_can_be_left_out(lottery: Lottery, override: str) -> None:
    done = lottery(*TINY, override)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("targets", "words"),
    [("[0, 5]", "outside 0 to 1"), ("[0.0, 1.0]", "torch.long"), ("[-1, 1]", "outside 0 to 1")],
)
def test_a_dataset_with_wrong_targets_is_one_line(
    lottery: Lottery, write_module: WriteModule, targets: str, words: str
) -> None:
    write_module("own_data", SPLITS)
    done = lottery(*TINY, "dataset._target_=own_data.Data", f"+dataset.targets={targets}")
    assert done.code == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1
