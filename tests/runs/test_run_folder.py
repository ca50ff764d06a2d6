"""The folder of a run: found again by the same config, refused to any other."""

import json
from pathlib import Path

import pytest

from lottery.record.records import read_record, write_record
from lottery.record.run_dir import RunDir
from lottery.tensors import digest, load_tensors
from tests.conftest import TINY, Done, Lottery, WriteModule, snapshot

DATASET = """
from dataclasses import dataclass
import numpy as np
import torch
from lottery.data import Split, Splits

@dataclass(frozen=True)
class FromFile:
    path: str

    def load(self):
        inputs = torch.from_numpy(np.load(self.path)).float()
        split = Split(inputs, torch.arange(len(inputs)) % 10)
        return Splits(split, split, split, num_classes=10)
"""

NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.output = nn.Linear(64, num_classes)

    def forward(self, inputs):
        return self.output(inputs.flatten(1))
"""


def _assert_refused(done: Done, *says: str) -> None:
    assert done.code == 2, done.err
    assert done.out == ""
    *notes, line = done.err.splitlines()
    assert line.startswith("error: ")
    assert not any("error" in note for note in notes)
    for text in says:
        assert text in line


def test_single_run_and_sweep_job_share_the_folder(lottery: Lottery, folder: Path) -> None:
    run = lottery(*TINY).run
    before = snapshot(run / "rounds") | {"results": (run / "results.csv").stat().st_mtime_ns}
    sweep = lottery("-m", *TINY, "pruning.rate=0.2,0.3")
    assert sweep.code == 0, sweep.err
    assert before == snapshot(run / "rounds") | {
        "results": (run / "results.csv").stat().st_mtime_ns
    }
    names = {path.parent.parent.name for path in folder.glob("outputs/*/seed_0/run.json")}
    assert len(names) == 2
    again = lottery(*TINY, "pruning.rate=0.3")
    assert again.code == 0
    assert "winning round" in again.out
    assert again.err == ""


def test_values_from_a_users_config_file_are_the_same_run(lottery: Lottery, folder: Path) -> None:
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "fast.yaml").write_text(
        "# @package _global_\n"
        "defaults: [{override /scope: global}]\n"
        "iterations: 20it\n"
        "evaluation: {every: 10}\n"
        "rounds: 1\n"
    )
    typed = lottery(*TINY, "scope=global")
    named = lottery("--config-dir=mine", "experiment=fast", "trainer.threads=1")
    assert named.code == 0, named.err
    assert named.out == typed.out


def test_a_folder_of_the_users_own(lottery: Lottery, folder: Path) -> None:
    done = lottery(*TINY, "hydra.run.dir=here")
    assert done.code == 0, done.err
    assert done.run == folder / "here"
    assert {path.name for path in folder.iterdir()} == {"here"}
    assert lottery(*TINY, "hydra.run.dir=here").out == done.out


def test_a_folder_with_another_run_is_refused(lottery: Lottery, folder: Path) -> None:
    lottery(*TINY, "hydra.run.dir=here")
    before = snapshot(folder)
    other = lottery(*TINY, "hydra.run.dir=here", "pruning.rate=0.3", "seed=5", "scope=global")
    _assert_refused(other, "pruning.rate (0.2 there, 0.3 here)", "seed (0 there, 5 here)", "scope")
    assert "iterations" not in other.err
    assert snapshot(folder) == before


def test_changed_source_of_a_users_class_is_refused(
    lottery: Lottery, folder: Path, write_module: WriteModule
) -> None:
    arguments = (*TINY, "model._target_=my_net.Net")
    write_module("my_net", NETWORK)
    done = lottery(*arguments)
    assert done.code == 0, done.err
    assert list(json.loads((done.run / "run.json").read_text())["digests"]) == [
        "data",
        "my_net.py",
    ]
    before = snapshot(done.run)
    write_module("my_net", NETWORK + "# another comment\n")
    for rounds in (1, 2):
        _assert_refused(lottery(*arguments, f"rounds={rounds}"), "my_net.py")
    assert snapshot(done.run) == before
    write_module("my_net", NETWORK)
    assert lottery(*arguments).out == done.out


def test_two_source_files_of_one_name_are_two(
    lottery: Lottery, folder: Path, write_module: WriteModule
) -> None:
    for package, source in (("one_side", NETWORK), ("other_side", LOSS)):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
        write_module(f"{package}/code", source)
    arguments = (*TINY, "model._target_=one_side.code.Net")
    arguments += ("model.loss={_target_:other_side.code.loss}",)
    assert lottery(*arguments).code == 0
    for package, source in (("one_side", NETWORK), ("other_side", LOSS)):
        (folder / package / "code.py").write_text(source + "# changed\n")
        _assert_refused(lottery(*arguments), "code.py")
        (folder / package / "code.py").write_text(source)


LOSS = """
from torch.nn.functional import cross_entropy

def loss(logits, targets):
    return cross_entropy(logits, targets)
"""


def test_changed_data_is_refused(
    lottery: Lottery, folder: Path, write_module: WriteModule
) -> None:
    numpy = pytest.importorskip("numpy")
    write_module("my_data", DATASET)
    arguments = (*TINY, "dataset._target_=my_data.FromFile", "+dataset.path=x.npy")
    inputs = numpy.linspace(0, 1, 100 * 64).reshape(100, 1, 8, 8)
    numpy.save("x.npy", inputs)
    assert lottery(*arguments).code == 0
    inputs[0, 0, 0, 0] += 0.5
    numpy.save("x.npy", inputs)
    _assert_refused(lottery(*arguments), "content of data;")


def test_changed_masks_of_a_trunk_are_refused(lottery: Lottery, folder: Path) -> None:
    trunk = lottery(*TINY).run
    copy = (*TINY, "criterion=copy", f"criterion.run={trunk}")
    assert lottery(*copy).code == 0
    other = lottery(*TINY, "seeds.init=5").run
    masks = "rounds/01/masks.safetensors"
    (trunk / masks).write_bytes((other / masks).read_bytes())
    done = lottery(*copy)
    assert done.code == 1
    assert f"{masks}: damaged: it is not the file that the round's record names" in done.err
    run_dir = RunDir(trunk)
    record = read_record(run_dir.round(1))
    files = record["links"]["files"] | {"masks.safetensors": digest(load_tensors(trunk / masks))}
    write_record(run_dir, record, files)
    _assert_refused(lottery(*copy), "criterion.run round 1 masks")
