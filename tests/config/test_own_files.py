"""The digests of users' files: of all that their imports reach, wherever an import stands."""

import hashlib
from pathlib import Path

import pytest

from lottery.config.own_files import file_digests
from tests.conftest import TINY, Lottery, WriteModule

NETWORK = """
import torch
from torch import nn

def never():
    import net_constants
    from net_pieces import layers
    from net_pieces.late import x

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        from net_settings import SLOPE
        if SLOPE < 0:
            import net_absent
        return SLOPE * super().forward(x)
"""
FILES = {
    "net_constants.py": "import random, queue\nWIDTH = 5\n",
    "net_settings.py": "SLOPE = 1.0\n",
    "net_pieces/__init__.py": "",
    "net_pieces/layers.py": "from . import sizes\nfrom .deep.inner import x\nfrom ... import y\n",
    "net_pieces/sizes.py": "def f():\n    from ..net_constants import WIDTH\n",
    "net_pieces/late.py": "this is no Python\n",
    "net_pieces/deep/inner.py": "x = 1\n",
    "net_pieces/unused.py": "",
    "unused.py": "",
    "queue.py": "",
}


@pytest.fixture
def files(folder: Path, write_module: WriteModule, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(folder))
    for name, source in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    write_module("net_main", NETWORK)
    return folder


def test_all_that_imports_reach_and_nothing_else(files: Path) -> None:
    config = {"model": {"_target_": "net_main.Net"}, "callbacks": {"a": {"_target_": "unused.A"}}}
    read = {
        "net_main.py": "net_main.py",
        "net_constants.py": "net_constants.py",
        "net_settings.py": "net_settings.py",
        "net_pieces.py": "net_pieces/__init__.py",
        "net_pieces/layers.py": "net_pieces/layers.py",
        "net_pieces/sizes.py": "net_pieces/sizes.py",
        "net_pieces/late.py": "net_pieces/late.py",
        "net_pieces/deep/inner.py": "net_pieces/deep/inner.py",
    }
    assert file_digests(config) == {
        name: hashlib.sha256((files / path).read_bytes()).hexdigest()
        for name, path in read.items()
    }


def test_our_own_and_installed_modules_have_no_digest() -> None:
    config = {"model": {"_target_": "lottery.models.LeNet5"}, "x": {"_target_": "torch.nn.ReLU"}}
    assert file_digests(config) == {}


def test_a_changed_file_that_forward_imports_is_refused(lottery: Lottery, files: Path) -> None:
    arguments = (*TINY, "model._target_=net_main.Net", "model.rates=[]")
    assert lottery(*arguments).code == 0
    (files / "net_settings.py").write_text("SLOPE = 2.0\n")
    done = lottery(*arguments)
    assert done.code == 2
    assert "net_settings.py" in done.err
    assert "delete" in done.err
