"""Overrides as dicts of Python: the same values as on the command line."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from hypothesis import given
from hypothesis import strategies as st

import lottery as package
from lottery.config import ConfigError
from lottery.config.overrides import as_overrides, composing
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.experiments import composed, path_of


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ()),
        ({"rounds": 3, "pruning.rate": 0.3}, ("rounds=3", "pruning.rate=0.3")),
        ({"pruning": {"rate": 0.3, "rates": []}}, ("pruning.rate=0.3", "pruning.rates=[]")),
        ({"dataset": "cifar10", "keep": "winner"}, ("dataset=cifar10", "keep=winner")),
        (
            {"dataset": "cifar10", "dataset.root": Path("a b")},
            ("dataset=cifar10", "dataset.root=a b"),
        ),
        ({"iterations": "20ep", "short": False, "seeds": {"init": None}}, ("iterations=20ep",)),
        ({"pruning.rates": [{"output*": "0.5x"}]}, ("pruning.rates=[{output*: 0.5x}]",)),
        (
            {"model._target_": "mine.Net", "model.width": 5},
            ("model._target_=mine.Net", "+model.width=5"),
        ),
        ({"optimizer": {"betas": (0.8, 0.9)}}, ("optimizer.betas=[0.8,0.9]",)),
        (
            {"callbacks": {"own": {"_target_": "mine.Tell", "words": ["a, b"]}}},
            ("+callbacks.own={_target_: mine.Tell, words: ['a, b']}",),
        ),
    ],
)
def test_a_dict_is_the_run_of_its_words(given: Mapping[str, Any], words: tuple[str, ...]) -> None:
    assert composed(*as_overrides([given])) == composed(*words)
    assert path_of(*as_overrides([given])) == path_of(*words)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_text_arrives_as_it_is(text: str) -> None:
    (word,) = as_overrides([{"output_dir": text}])
    assert OverridesParser.create().parse_override(word).value() == text


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (5, "5: a text such as 'rounds=3', or a dict {'rounds': 3}"),
        (["rounds=3"], "['rounds=3']: a text such as 'rounds=3', or a dict {'rounds': 3}"),
        ({"seed": {1}}, "seed={1}: a number, text, boolean, None, list, dict or class"),
        (
            {"seed": [object]},
            "seed=<class 'object'>: a number, text, boolean, None, list, dict or class",
        ),
    ],
)
def test_what_is_no_override_is_one_line(given: Any, line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        as_overrides([given])
    assert str(refused.value) == line


def test_a_dict_from_python_finds_the_commands_work(lottery: Lottery) -> None:
    done = lottery(*TINY)
    quick = {"rounds": 1, "iterations": 20, "evaluation": {"every": 10}}
    assert package.run(quick, {"trainer.threads": 1}).path == done.run


@pytest.mark.parametrize("override", ["dataset=null", "optimizer.betas._target_=x", "+lr=0.1"])
def test_a_mistake_in_an_override_from_python(folder: Path, override: str) -> None:
    with pytest.raises(ConfigError, match=override.lstrip("+")):
        package.run(override)
    assert snapshot(folder) == {}


def test_slurm_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hydra_plugins.hydra_submitit_launcher", None)
    missing = MissingConfigException("no file", missing_cfg_file="hydra/launcher/submitit_slurm")
    line = (
        "hydra/launcher=slurm: needs the package hydra-submitit-launcher: "
        "pip install 'lottery[slurm]'"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(line)}$"), composing([]):
        raise missing
    monkeypatch.undo()
    with pytest.raises(MissingConfigException, match=r"^no file$"), composing([]):
        raise missing
