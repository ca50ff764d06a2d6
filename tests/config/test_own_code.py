"""Bring your own: a network, dataset, criterion, scope and reinit from a user's file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lottery import load_run
from tests.conftest import QUICK, TINY, Done

PAGES = Path(__file__).parents[2] / "docs/how-to"


def block_of_page(begins: str, page: str = "own-code.md") -> str:
    """The page's fenced block that begins with a line."""
    blocks = (PAGES / page).read_text().split("```")
    return next(block.split("\n", 1)[1] for block in blocks if begins in block[:200])


@pytest.fixture
def own(folder: Path, write_module: Callable[[str, str], Path]) -> Path:
    """The page's example, saved where the command is started."""
    write_module("mine", block_of_page("# mine.py"))
    (folder / "conf_mine/model").mkdir(parents=True)
    yaml = block_of_page("# conf_mine/model/two_layers.yaml")
    (folder / "conf_mine/model/two_layers.yaml").write_text(yaml)
    return folder


def test_the_pages_example_by_targets(lottery: Callable[..., Done], own: Path) -> None:
    done = lottery(
        *QUICK,
        "dataset._target_=mine.Stripes",
        "model._target_=mine.TwoLayers",
        "+model.width=16",
        "model.rates=[]",
        "criterion._target_=mine.LargeStart",
        "scope._target_=mine.AllButOutput",
        "reinit._target_=mine.HalfWay",
        "~reinit.to",
        "~reinit.optimizer_state",
    )
    assert done.code == 0, done.err
    assert "Stripes-TwoLayers-LargeStart-0.2-AllButOutput-HalfWay" in done.out.splitlines()[-1]
    run = load_run(done.run)
    initial, start, masks = run.weights(0, "start"), run.weights(1, "start"), run.masks(1)
    assert masks["output.weight"].all()
    kept = masks["hidden.weight"]
    assert int(kept.sum()) == 16 * 64 - round(0.2 * 16 * 64)
    assert (
        initial["hidden.weight"][kept].abs().min() >= initial["hidden.weight"][~kept].abs().max()
    )
    between = (initial["hidden.weight"] + run.weights(0, "final")["hidden.weight"]) / 2
    assert torch.equal(start["hidden.weight"][kept], between[kept])


def test_the_pages_example_by_a_config_folder(lottery: Callable[..., Done], own: Path) -> None:
    done = lottery("--config-dir", "conf_mine", *QUICK, "model=two_layers")
    assert done.code == 0, done.err
    assert "digits-two_layers-magnitude" in done.out.splitlines()[-1]
    assert load_run(done.run).model(2, trust_code=True).hidden.weight.shape == (32, 64)


OWN_SCHEDULE = """
class Line:
    def __init__(self, num_steps, steps_per_epoch, final):
        if (num_steps, steps_per_epoch) != (60, 20):
            raise RuntimeError(f"{num_steps} steps, {steps_per_epoch} of an epoch")
        self.slope = (1 - final) / num_steps

    def __call__(self, step):
        return 1 - self.slope * step
"""


def test_a_schedule_that_names_the_steps_of_a_training_is_given_them(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module("own_schedule", OWN_SCHEDULE)
    line = ("scheduler._target_=own_schedule.Line", "+scheduler.final=0.1")
    done = lottery(*QUICK, "rounds=0", "iterations=3ep", *line)
    assert done.code == 0, done.err


def test_a_changed_source_file_is_refused(lottery: Callable[..., Done], own: Path) -> None:
    arguments = ("--config-dir", "conf_mine", *QUICK, "model=two_layers")
    assert lottery(*arguments).code == 0
    with (own / "mine.py").open("a") as file:
        file.write("# changed\n")
    done = lottery(*arguments)
    assert done.code == 2
    assert "mine.py" in done.err


def test_the_pages_callback(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module("my_callbacks", block_of_page("# my_callbacks.py", "watch.md"))
    own = '+callbacks.mine={_target_: my_callbacks.Note, path: "{run_dir}/notes"}'
    done = lottery(*QUICK, own)
    assert done.code == 0, done.err
    assert (done.run / "notes").read_text() == "40\n" * 3


OWN_PIECES = """
from dataclasses import dataclass

import torch
from torch import nn

from lottery.pruning import Magnitude


@dataclass(frozen=True)
class Soft(Magnitude):
    temperature: float
    num_batches: int
    batch_size: str


@dataclass(frozen=True)
class Cosine:
    at: float
    steps: str
    factor: int

    def __call__(self, step):
        assert (self.at, self.steps, self.factor) == (0.5, "5ep", 0)
        return 1.0


class Net(nn.Module):
    def __init__(self, fc2, body):
        super().__init__()
        assert fc2 == 0
        self.fc1 = body
        self.output = nn.Linear(20, 10)

    def forward(self, inputs):
        return self.output(self.fc1(inputs.flatten(1)).relu())


class Sgd(torch.optim.SGD):
    def __init__(self, params, lr, betas, **others):
        assert betas == "none"
        super().__init__(params, lr=0.1 - lr)
"""
SOFT = (
    "criterion._target_=own_pieces.Soft",
    "+criterion.temperature=0",
    "+criterion.num_batches=500",
    "+criterion.batch_size=all",
)
COSINE = (
    "scheduler._target_=own_pieces.Cosine",
    "+scheduler.at=0.5",
    "+scheduler.steps=5ep",
    "+scheduler.factor=0",
)


def test_our_rules_never_judge_or_convert_the_arguments_of_a_users_class(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module("own_pieces", OWN_PIECES)
    done = lottery(
        *TINY,
        *SOFT,
        *COSINE,
        "model._target_=own_pieces.Net",
        "model.rates=[]",
        "+model.fc2=0",
        "+model.body={_target_: torch.nn.Linear, in_features: 64, out_features: 20}",
        "optimizer._target_=own_pieces.Sgd",
        "optimizer.lr=-0.1",
        "optimizer.betas=none",
    )
    assert done.code == 0, done.err
    assert load_run(done.run).model(1, trust_code=True).fc1.weight.shape == (20, 64)


def test_a_users_class_can_declare_durations_and_traits(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    declared = OWN_PIECES.replace(
        "    at: float\n", "    at: float\n    durations = ('steps',)\n"
    ).replace('"5ep"', "100")
    compares = declared.replace("    temperature", "    compares_ends = True\n    temperature")
    write_module("own_pieces", compares)
    done = lottery(*TINY, *COSINE)
    assert done.code == 0, done.err
    refused = lottery(*TINY, *SOFT, "pruning.at=init")
    assert refused.code == 2
    assert "criterion Soft compares trained weights with initial ones" in refused.err


UNTRAINED = """
from lottery.pruning import LargeInit

class Own(LargeInit):
    needs_training = False
"""


def test_when_a_users_criterion_that_needs_no_training_prunes_is_not_in_the_key(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module("untrained", UNTRAINED)
    own = (*TINY, "criterion._target_=untrained.Own")
    assert lottery(*own).run == lottery(*own, "pruning.at=init").run
