"""`module` and `datamodule`: the page's example, and mistakes, each one line."""

import re
import shlex
from collections.abc import Callable
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest

from lottery import load_run, load_ticket
from lottery.config import ConfigError, prepare
from tests.conftest import Done, Lottery, snapshot
from tests.helpers.experiments import composed, name_of
from tests.helpers.refused import assert_one_line

PAGE = (Path(__file__).parents[2] / "docs/tutorials/lightning.md").read_text()
MINE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
COMMAND = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)[0].replace("\\\n", "")
WORDS = shlex.split(COMMAND)[1:]


@pytest.fixture
def mine(folder: Path, write_module: Callable[[str, str], Path]) -> Path:
    """The page's example, saved where the command is started."""
    return write_module("mine", MINE)


def test_the_pages_example(
    lottery: Lottery,
    ticket: Callable[..., Done],
    mine: Path,
    write_module: Callable[[str, str], Path],
) -> None:
    done = lottery(*WORDS, "logger=csv", "rounds=2")
    assert done.code == 0, done.err
    assert done.run.parent.name.startswith("Digits-LitClassifier-magnitude-0.2-layerwise-rewind-")
    assert "val %" in done.out
    run = load_run(done.run)
    assert run.status == "finished"
    assert list(run.results["steps"]) == [120, 120, 120]
    assert run.results["val"].min() > 0.8
    assert list(run.results["val"]) == list(run.results["val_acc"])
    assert {"val_loss", "test_acc", "test_loss"} <= {*run.results.columns}
    assert "f1" not in (done.run / "results.csv").read_text()
    val = run.history[(run.history["split"] == "val") & (run.history["round"] == 1)]
    assert list(val["iteration"]) == [20, 40, 60, 80, 100, 120]
    assert list(val["loss"]) == list(val["val_loss"])
    assert not run.weights(2)["net.0.weight"][~run.masks(2)["net.0.weight"]].any()
    proof = ticket(done.run, "--trust-code")
    assert (proof.code, "test: val_acc with es weights" in proof.out) == (0, True)
    moved = ticket(done.run, "--trust-code", "--data", "elsewhere")
    assert (moved.code, moved.err.startswith("error: --data elsewhere: the data")) == (2, True)
    assert type(load_ticket(done.run, trust_code=True)).__name__ == "LitClassifier"
    again = lottery(*WORDS, "logger=csv", "rounds=2")
    assert (again.code, again.out) == (0, done.out)
    write_module("mine", MINE.replace("torch.tensor(labels)", "torch.tensor(labels).flip(0)"))
    assert ticket(done.run, "--trust-code").code == 1


def test_arguments_and_the_trainers_options_are_in_the_key_and_others_not() -> None:
    plain = name_of(*WORDS)
    for word in (
        "+module.width=8",
        "+datamodule.batch_size=8",
        "metrics.mode=max",
        "+trainer.lightning.accumulate_grad_batches=2",
        "dataset.order=fixed",
    ):
        assert name_of(*WORDS, word) != plain, word
    for word in ("trainer=cpu", "logger=none"):
        assert name_of(*WORDS, word) == plain, word


def test_what_the_module_replaces_is_not_in_its_config() -> None:
    config = composed(*WORDS)
    assert (config["model"], config["optimizer"], config["scheduler"]) == ({}, {}, {})
    assert "_target_" not in config["dataset"]


# (a word of the command, what the line must say)
TYPED = [
    ("optimizer.lr=0.1", "optimizer.lr=0.1: with module._target_=mine.LitClassifier the module"),
    ("model=lenet_5", "model=lenet_5: with module._target_"),
    ("dataset.batch_size=9", "dataset.batch_size=9: with module"),
    ("~scheduler", "~scheduler: with module"),
]


@pytest.mark.parametrize(("word", "line"), TYPED)
def test_what_the_module_replaces_cannot_be_set(word: str, line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        composed(*WORDS, word)
    assert str(refused.value).startswith(line)


SNIP = {"_target_": "lottery.pruning.Snip", "num_batches": 1, "batch_size": 2}
GRASP = SNIP | {"_target_": "lottery.pruning.Grasp", "temperature": 200}

# (key, value, what the line must say)
MISTAKES = [
    ("metrics.val", None, "metrics.val=null: the name under which the module logs it"),
    ("metrics.test", None, "metrics.test=null"),
    ("metrics.mode", None, "metrics.mode=null: min or max, which val_loss is the best"),
    ("metrics.mode", "low", "metrics.mode=low: one of min, max, or null"),
    ("metrics.val", "acc", "metrics.val=acc: validation logs val_acc, val_loss"),
    ("metrics.monitor", "loss", "metrics.monitor=loss: validation logs val_acc, val_loss"),
    ("metrics.test", "val_acc", "metrics.test=val_acc: trainer.test logs test_acc, test_loss"),
    ("evaluation.test_curve", True, "evaluation.test_curve=true"),
    ("trainer.compile", True, "trainer.compile=true"),
    (
        "dynamic",
        {"_target_": "lottery.dynamic.Static", "end": 0.5},
        "dynamic._target_=lottery.dynamic.Static: masks cannot move yet",
    ),
    ("trainer.lightning", {"strategy": "fsdp"}, "trainer.lightning.strategy: not passed on"),
    ("trainer.lightning", {"max_epochs": 3}, "trainer.lightning.max_epochs: not passed on"),
    (
        "trainer.lightning",
        {"reload_dataloaders_every_n_epochs": 1},
        "trainer.lightning.reload_dataloaders_every_n_epochs: not passed on",
    ),
    ("trainer.lightning", {"nothing": 1}, "trainer.lightning.nothing: accepted: accumulate"),
    (
        "callbacks",
        {"p": {"_target_": "pytorch_lightning.callbacks.ModelPruning"}},
        "callbacks.p._target_=pytorch_lightning.callbacks.ModelPruning: lottery prunes",
    ),
    ("criterion", SNIP | {"num_batches": 21}, "criterion.num_batches=21: at most the 20 of an ep"),
    ("criterion", GRASP, "criterion.temperature=200: with module= training_step computes"),
    (
        "criterion",
        {"_target_": "lottery.pruning.SynFlow"},
        "criterion=synflow: runs the module on an input of ones, and its example_input_array is",
    ),
    (
        "reinit",
        {"_target_": "lottery.reinit.Finetune", "steps": None},
        "reinit=finetune: starts inside the learning-rate schedule",
    ),
    ("reinit.to", 7, "reinit.to=7: step 7 is inside an epoch of 20 steps"),
    ("reinit.to", "6ep", "reinit.to=6ep: must come before the end of training, step 120"),
    ("module._target_", "mine.Digits", "module._target_=mine.Digits: not a LightningModule"),
    ("datamodule._target_", "mine.dict", "datamodule._target_=mine.dict: not a LightningDataM"),
    ("module._target_", "refused.Late", "module._target_=refused.Late: it makes weights in conf"),
    ("module._target_", "refused.Lazy", "module._target_=refused.Lazy: net.0.weight is lazy"),
    ("module._target_", "refused.NoTest", "module._target_=refused.NoTest: Lightning: No `test_"),
]
REFUSED = """
from torch import nn

from mine import LitClassifier


class Late(LitClassifier):
    def configure_model(self):
        self.net = nn.Linear(64, 10)


class Lazy(LitClassifier):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.LazyLinear(10))


class NoTest(LitClassifier):
    test_step = pl.LightningModule.test_step


class Manual(LitClassifier):
    automatic_optimization = False


class Silent(LitClassifier):
    def training_step(self, batch, batch_idx):
        return None


class Absolute(LitClassifier):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(64, 10)

    def training_step(self, batch, batch_idx):
        return self.net(batch[0]).mean()
"""


@pytest.fixture
def in_refused(
    write_module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """The page's example and modules that are refused, where the command is started."""
    write_module("mine", f"{MINE}\n\ndict = dict\n")
    write_module("refused", f"import pytorch_lightning as pl\n{REFUSED}")
    monkeypatch.syspath_prepend(folder)


# (a word beside criterion=snip, what the line must say)
NO_GRADIENTS = [
    ("module._target_=refused.Manual", "criterion=snip: differentiates the loss that training"),
    ("module._target_=refused.Silent", "criterion=snip: training_step of Silent returns NoneType"),
    ("early_bird.epsilon=0.1", "early_bird.epsilon=0.1: with module= not with criterion=snip"),
    (
        "criterion=grasp criterion.temperature=1 module._target_=refused.Absolute",
        "criterion=grasp: takes second derivatives, and the loss of training_step has none",
    ),
]


@pytest.mark.parametrize(("words", "line"), NO_GRADIENTS)
def test_a_module_without_one_differentiable_loss_is_refused(
    in_refused: None, folder: Path, words: str, line: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        prepare(
            composed(*WORDS, "criterion=snip", *words.split(), "trainer.threads=1"), folder / "run"
        )
    assert str(refused.value).startswith(line)
    assert not (folder / "run").exists()


@pytest.mark.parametrize(("key", "value", "line"), MISTAKES)
def test_a_mistake_is_one_line(
    in_refused: None, folder: Path, key: str, value: Any, line: str
) -> None:
    config = deepcopy(composed(*WORDS, "trainer.threads=1"))
    *groups, name = key.split(".")
    reduce(getitem, groups, config)[name] = value
    with pytest.raises(ConfigError) as refused:
        prepare(config, folder / "run")
    assert str(refused.value).startswith(line)
    assert not (folder / "run").exists()


def test_a_refused_command_writes_nothing(lottery: Lottery, mine: Path, folder: Path) -> None:
    before = snapshot(folder)
    assert_one_line(lottery(*WORDS, "optimizer.lr=0.1"), "optimizer.lr", "0.1")
    assert_one_line(lottery(*WORDS, "reinit.to=7"), "reinit.to", "7")
    for word in ("metrics.val=val_acc", "+trainer.lightning.benchmark=true"):
        key, _, value = word.strip("+").partition("=")
        assert_one_line(lottery(word), key, value)
    assert_one_line(lottery("datamodule._target_=mine.Digits"), "datamodule._target_", "mine")
    assert snapshot(folder) == before
