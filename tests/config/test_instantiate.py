"""`_target_` nodes: what Hydra means by them, with our error lines."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lottery.config import ConfigError
from lottery.config.instantiate import bind, make
from lottery.config.targets import check_call, make_cwd_importable
from tests.conftest import TINY, Done

MODULE = """
class Keeps:
    durations = ("steps",)

    def __init__(self, *args, **named):
        self.args, self.named = args, named

class Refuses:
    def __init__(self):
        raise ValueError("mine, and not a setting")

class NamesShape:
    def __init__(self, input_shape, width):
        self.input_shape, self.width = input_shape, width

def scale(value, factor):
    return value * factor

def steps_of(steps):
    return steps
"""
KEEPS = "pieces.Keeps"
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.1}


@pytest.fixture(autouse=True)
def _pieces(write_module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    write_module("pieces", MODULE)
    make_cwd_importable()


def test_nested_nodes_are_made_everywhere() -> None:
    inner = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
    made = make({"_target_": KEEPS, "one": inner, "list": [inner], "dict": {"a": inner}}, "key")
    found = [made.named["one"], *made.named["list"], *made.named["dict"].values()]
    assert [type(layer) for layer in found] == [torch.nn.Linear] * 3


def test_positional_arguments_and_plain_containers() -> None:
    made = make({"_target_": KEEPS, "_args_": [1, [2]], "named": {"a": [3]}}, "key")
    assert made.args == (1, [2])
    assert made.named == {"named": {"a": [3]}}
    assert type(made.named["named"]) is dict
    assert type(made.args[1]) is list


def test_nodes_stay_as_they_are_where_hydra_is_told_so() -> None:
    node = {"_target_": KEEPS, "_recursive_": False, "inner": {"_target_": "nothing.Here"}}
    assert make(node, "key").named == {"inner": {"_target_": "nothing.Here"}}


def test_a_node_converts_its_containers_as_it_says() -> None:
    made = make({"_target_": KEEPS, "_convert_": "none", "list": [1]}, "key")
    assert type(made.named["list"]).__name__ == "ListConfig"


def test_partial_nodes_are_plain_functions() -> None:
    node = {"_target_": "pieces.scale", "_partial_": True, "factor": 3}
    outer = make({"_target_": KEEPS, "inner": node, "list": [node]}, "key")
    for function in (make(node, "key"), outer.named["inner"], outer.named["list"][0]):
        assert type(function) is partial
        assert function(2) == 6


def test_what_is_offered_goes_to_those_that_name_it() -> None:
    offered: dict[str, Any] = {"input_shape": (1, 8, 8), "num_classes": 10}
    made = make({"_target_": "pieces.NamesShape", "width": 4}, "key", **offered)
    assert (made.input_shape, made.width) == ((1, 8, 8), 4)
    given = make({"_target_": "pieces.NamesShape", "width": 4, "input_shape": 5}, "key", **offered)
    assert given.input_shape == 5
    taken = make({"_target_": "pieces.NamesShape", "_args_": ["mine", 4]}, "key", **offered)
    assert (taken.input_shape, taken.width) == ("mine", 4)


def test_durations_are_converted_only_for_classes_that_declare_them() -> None:
    node = {"_target_": KEEPS, "steps": ["5ep", 7, None], "at": "5ep"}
    undeclared = {"_target_": "pieces.steps_of", "steps": "5ep"}
    made = make({**node, "inner": undeclared, "own": node}, "key", steps_per_epoch=20)
    assert made.named["steps"] == made.named["own"].named["steps"] == [100, 7, None]
    assert made.named["at"] == made.named["inner"] == "5ep"


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ({"_target_": 5}, r"key._target_=5: the dotted name of a class or function"),
        ({"_target_": "nothing.Here"}, r"key._target_=nothing.Here: no module named 'nothing'"),
        ({"_target_": "pieces.Nope"}, r"key._target_=pieces.Nope: .*no attribute 'Nope'"),
        ({"_target_": "pieces.ADAM"}, r"key._target_=pieces.ADAM: .*no attribute"),
        ({"_target_": "pieces.scale", "value": 1}, r"key: scale: missing .* 'factor'"),
        ({"_target_": KEEPS, "a": {"_target_": "pieces.Nope"}}, r"key.a._target_=pieces.Nope: "),
        ({"_target_": KEEPS, "a": [{"_target_": "pieces.scale"}]}, r"key.a\[0\]: scale: missing"),
        ({"_target_": KEEPS, "steps": "5xy"}, r"key.steps=5xy: a number of steps"),
        ({"_target_": KEEPS, "a": "${nothing}"}, r"key: Interpolation key 'nothing' not found"),
        ({"_target_": "shutil.rmtree", "path": "x"}, r"key: .*shutil.rmtree"),
        # refusals of our classes name the key, with the value that the user wrote
        ({"_target_": "lottery.reinit.Random", "draw": -1}, r"key.draw=-1: a whole number >= 0"),
        (
            {"_target_": "lottery.reinit.Rewind", "to": "0it", "optimizer_state": "old"},
            r"key.optimizer_state=old: one of fresh, restored",
        ),
        ({"_target_": "lottery.reinit.Finetune", "steps": "0it"}, r"key.steps=0it: .* >= 1"),
        (
            {"_target_": KEEPS, "inner": {"_target_": "lottery.reinit.Random", "draw": -1}},
            r"key.inner.draw=-1: a whole number >= 0",
        ),
        ({"_target_": "torch.nn.Flatten", "start": 1}, r"key: Flatten: .*'start'"),
        ({"_target_": "torch.nn.Conv2d", "_args_": [3, 3, 3], "groups": 2}, r"key: .*divisible"),
    ],
)
def test_refusals_are_one_line(node: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=f"^{line}") as refused:
        make(node, "key", steps_per_epoch=20)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("nested", [False, True])
def test_what_a_users_code_raises_is_left_as_it_is(nested: bool) -> None:
    node: dict[str, Any] = {"_target_": "pieces.Refuses"}
    with pytest.raises(ValueError, match="mine, and not a setting") as raised:
        make({"_target_": KEEPS, "inner": node} if nested else node, "key")
    assert raised.traceback[-1].path.name == "pieces.py"


def test_a_module_that_imports_something_missing_keeps_its_error(
    write_module: Callable[[str, str], Path],
) -> None:
    write_module("incomplete", "import nothing_like_this\n")
    for node in (
        {"_target_": "incomplete.X"},
        {"_target_": KEEPS, "a": {"_target_": "incomplete.X"}},
    ):
        with pytest.raises(ModuleNotFoundError, match="nothing_like_this"):
            make(node, "key")


def test_an_error_in_a_users_module_is_left_as_it_is(
    write_module: Callable[[str, str], Path],
) -> None:
    write_module("wrong", "import math\nmath.nothing\n")
    with pytest.raises(AttributeError, match="'nothing'"):
        make({"_target_": "wrong.X"}, "key")


def test_an_optimizer_is_bound_without_its_parameters() -> None:
    make_optimizer = bind({**ADAM, "_partial_": True}, "optimizer")
    assert type(make_optimizer) is partial
    parameter = torch.nn.Parameter(torch.zeros(1))
    assert make_optimizer([parameter]).param_groups[0]["lr"] == 0.1


def test_check_call_calls_nothing() -> None:
    check_call({"_target_": "pieces.Refuses"}, "key")
    with pytest.raises(ConfigError, match=r"key.a: scale: missing"):
        check_call({"_target_": KEEPS, "a": {"_target_": "pieces.scale"}}, "key")


NESTED = """
from pathlib import Path

from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger


class Note:
    def __init__(self, *words, path):
        self.words, self.path = words, Path(path)

    def write(self):
        self.path.write_text(" ".join(self.words))


class Tell(Callback):
    def __init__(self, note):
        self.note = note

    def on_train_end(self, trainer, pl_module):
        self.note.write()


class Log(CSVLogger):
    def __init__(self, save_dir, note, twice):
        super().__init__(save_dir)
        note.write()
        self.twice = twice

    def log_metrics(self, metrics, step=None):
        super().log_metrics(metrics, self.twice(step))


def times(factor, value):
    return factor * value
"""


def test_nodes_in_the_arguments_of_loggers_and_callbacks(
    lottery: Callable[..., Done], write_module: Callable[[str, str], Path]
) -> None:
    write_module("nested", NESTED)
    note = '{{_target_: nested.Note, _args_: ["{{run}}", "{{round}}"], path: "{{run_dir}}/{}"}}'
    twice = "{_target_: nested.times, _args_: [2], _partial_: true}"
    done = lottery(
        *TINY,
        f"+callbacks.tell={{_target_: nested.Tell, note: {note.format('told')}}}",
        f'+logger.own={{_target_: nested.Log, save_dir: "{{run_dir}}/csv", '
        f"note: {note.format('logged')}, twice: {twice}}}",
    )
    assert done.code == 0, done.err
    name = f"{done.run.parent.name}-{done.run.name}"
    assert (done.run / "told").read_text() == f"{name} round_01"
    # the last one is that of the points over the rounds
    assert (done.run / "logged").read_text() == f"{name} rounds"
    metrics = min(done.run.glob("csv/**/metrics.csv")).read_text()  # of round 0
    assert {line.split(",")[-1] for line in metrics.splitlines()[1:]} <= {"20", "40"}


def test_a_wrong_node_in_a_loggers_arguments_is_one_line_before_anything_is_written(
    lottery: Callable[..., Done], folder: Path
) -> None:
    logger = "{_target_: pytorch_lightning.loggers.CSVLogger, save_dir: {_target_: pathlib.Pat}}"
    done = lottery(*TINY, f"+logger.own={logger}")
    assert done.code == 2
    assert done.err.startswith("error: logger.own.save_dir._target_=pathlib.Pat: ")
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize(
    ("value", "shown"), [({"a": 1}, "{'a': 1}"), ([{"a": 1}], "[{'a': 1}]"), (7, "7")]
)
def test_a_value_with_colons_is_shown_whole(value: Any, shown: str) -> None:
    node = {"_target_": "lottery.training.schedules.Cosine", "final": value}
    with pytest.raises(ConfigError) as refused:
        make(node, "scheduler", num_steps=10)
    assert str(refused.value) == f"scheduler.final={shown}: a number from 0 to 1"
