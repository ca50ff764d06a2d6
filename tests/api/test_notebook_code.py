"""Classes of a notebook's cells in `lottery.run`, and what stands for their code."""

import linecache
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lottery as package
from lottery.config.main_code import main_digests
from lottery.config.overrides import as_overrides
from lottery.config.own_files import file_digests
from lottery.errors import ConfigError
from tests.conftest import WriteModule

QUICK = {"rounds": 1, "iterations": 20, "evaluation.every": 10, "trainer.threads": 1}
NETWORK = '''
import torch
from torch import nn

SLOPE = 0.1
images = torch.zeros(3)  # of another cell; the method has a variable of this name

def act(x):
    return nn.functional.leaky_relu(x, SLOPE)

class Net(nn.Module):
    """A network of one hidden layer."""

    def __init__(self, input_shape, num_classes, width):
        super().__init__()
        self.images = 1
        self.hidden = nn.Linear(64, width)
        self.output = nn.Linear(width, num_classes)

    def forward(self, images):
        return self.output(act(self.hidden(images.flatten(1))))
'''
Cell = Callable[[str], ModuleType]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    """`cell(text)` runs a text as Jupyter runs a cell."""
    names = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", names)
    files = []

    def run(text: str) -> ModuleType:
        files.append(f"<ipython-input-{len(files)}>")
        linecache.cache[files[-1]] = (len(text), None, text.splitlines(keepends=True), files[-1])
        exec(compile(text, files[-1], "exec"), vars(names))
        return names

    yield run
    for file in files:
        linecache.cache.pop(file)


def _run(network: Any, **more: Any) -> package.Run:
    model = {"_target_": network, "width": 8, "rates": []}
    return package.run({"model": model, "logger": "none", **QUICK, **more})


def test_a_class_of_a_cell_is_trained_found_again_and_carried_on(folder: Path, cell: Cell) -> None:
    run = _run(cell(NETWORK).Net)
    assert run.path.parent.name.startswith("digits-Net-magnitude-")
    assert run.config["model._target_"] == "__main__.Net"
    net = run.model(1, trust_code=True)
    assert type(net).__name__ == "Net"
    # another cell, a comment outside of it, the same cell again: the same run
    cell("SLOPE = 0.1\nother = 5\n")
    assert _run(cell("# again\n" + NETWORK).Net).path == run.path
    assert len(_run(cell(NETWORK).Net, rounds=2).results) == 3


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("SLOPE = 0.1", "SLOPE = 0.2", "__main__.SLOPE"),
        ("leaky_relu(x, SLOPE)", "leaky_relu(x, 2 * SLOPE)", "__main__.act"),
        ("self.images = 1", "self.images = 2", "__main__.Net"),
    ],
)
def test_other_code_of_a_cell_is_another_digest(
    folder: Path, cell: Cell, old: str, new: str, changed: str
) -> None:
    before, _ = main_digests(cell(NETWORK).Net, "model")
    after, _ = main_digests(cell(NETWORK.replace(old, new)).Net, "model")
    assert before.keys() == {"__main__.Net", "__main__.act", "__main__.SLOPE"}
    assert {name for name in before if before[name] != after[name]} == {changed}


def test_a_run_with_other_code_is_refused(folder: Path, cell: Cell) -> None:
    _run(cell(NETWORK).Net)
    with pytest.raises(ConfigError, match=r"began with other content of __main__\.SLOPE; put it"):
        _run(cell(NETWORK.replace("0.1", "0.2")).Net)


def test_a_users_file_that_a_cell_imports_counts(
    folder: Path, cell: Cell, write_module: WriteModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(write_module("slopes", "SLOPE = 0.1\n").parent)
    cell("def act(x):\n    from slopes import SLOPE\n    return SLOPE * x\n")
    digests = file_digests({"model": {"_target_": "__main__.act"}})
    assert digests.keys() == {"__main__.act", "slopes.py"}


USER = "class Net:\n    def forward(self, x): return f(x)\n    def own(self): pass\n"
DECORATED = """
def times(k):
    def outer(inner):
        def product(x):
            return k * inner(x)
        return product
    return outer
"""


@pytest.mark.parametrize(
    ("cells", "old", "new"),
    [
        # a member that the class was given in another cell
        ([USER, "def g(self, x): return x\nNet.forward = g"], "return x", "return -x"),
        ([USER, "Net.forward = lambda self, x: x"], "self, x: x", "self, x: -x"),
        ([USER + "    k = 1\n", "Net.k = 2"], "Net.k = 2", "Net.k = 3"),
        # two functions of one name
        (["f = lambda x: g(x)", "g = lambda x: x", USER], "g = lambda x: x", "g = lambda x: -x"),
        (["f = (\n lambda x: (x\n + 1))", USER], "+ 1", "+ 2"),
        # what a function closes over
        ([DECORATED, "@times(2)\ndef f(x):\n    return x", USER], "return x\n", "return -x\n"),
        ([DECORATED, "g = lambda x: x", "f = times(2)(g)", USER], "times(2)", "times(3)"),
        # the class of that name is another one by now
        (
            [
                "class Base:\n    k = 1\n    def g(self): pass",
                USER.replace("Net", "Net(Base)"),
                "class Base:\n    def g(self): pass\n",
            ],
            "k = 1",
            "k = 2",
        ),
    ],
)
def test_what_the_source_does_not_show_counts(
    folder: Path, cell: Cell, cells: list[str], old: str, new: str
) -> None:
    def digests(change: str) -> dict[str, str]:
        names = [cell(f"{text}\n".replace(old, change)) for text in cells][-1]
        return main_digests(names.Net, "model")[0]

    assert digests(old) != digests(new)


def test_a_class_with_made_methods_counts(folder: Path, cell: Cell) -> None:
    made = "from dataclasses import dataclass\n@dataclass\nclass Width:\n    k: int = 1\n"
    cell(f"{made}    def double(self):\n        return 2 * self.k\n")
    names = cell("def f(x): return Width().double()\n" + USER)
    digests, _ = main_digests(names.Net, "model")
    assert digests.keys() == {"__main__.Net", "__main__.f", "__main__.Width", "__main__.Width.k"}


def test_a_module_of_a_package_that_a_cell_names_counts(
    folder: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "hills").mkdir()
    (folder / "hills" / "__init__.py").touch()
    (folder / "hills" / "inner.py").write_text("SLOPE = 0.1\n")
    monkeypatch.syspath_prepend(folder)
    cell("import hills.inner\ndef act(x): return hills.inner.SLOPE\n")
    digests = file_digests({"model": {"_target_": "__main__.act"}})
    assert digests.keys() == {"__main__.act", "hills.py", "hills/inner.py"}
    for name in ("hills", "hills.inner"):
        del sys.modules[name]


def test_what_cannot_be_checked_is_refused(folder: Path, cell: Cell) -> None:
    text = NETWORK.replace("SLOPE = 0.1", "SLOPE = torch.tensor(0.1)")
    line = r"model: __main__.act uses SLOPE, a Tensor of __main__, .* make it an argument"
    with pytest.raises(ConfigError, match=line):
        main_digests(cell(text).Net, "model")
    made = type("Net", (), {"__module__": "__main__"})
    with pytest.raises(ConfigError, match=r"source of __main__\.Net is not known; put it in a"):
        main_digests(made, "model")


def test_classes_and_dicts_as_words(cell: Cell) -> None:
    import torch

    net = cell(NETWORK).Net
    assert as_overrides([{"model": net, "optimizer": {"_target_": torch.optim.SGD}}]) == [
        "++model._target_='__main__.Net'",
        "++optimizer._target_='torch.optim.sgd.SGD'",
    ]
    (rows,) = as_overrides([{"callbacks": {"all": [{"_target_": net}]}}])
    assert rows == "++callbacks.all=[{_target_:'__main__.Net'}]"
    nested = {"model": {"loss": {"_target_": cell("def loss(a, b): pass").loss}}}
    assert as_overrides([nested]) == ["++model.loss._target_='__main__.loss'"]

    class Inner:
        """Of a function."""

    with pytest.raises(ConfigError, match="define it at the top of a file, notebook or script"):
        as_overrides([{"model": Inner}])
    with pytest.raises(ConfigError, match="a number, text, boolean, None, list, dict or class"):
        as_overrides([{"model": {"net": re.compile("x")}}])


def test_a_command_has_no_notebook(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"__main__\.Net: put it in a file, or define it in the"):
        package.run("model._target_=__main__.Net", QUICK)
