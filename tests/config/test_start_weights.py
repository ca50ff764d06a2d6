"""`model.init_from`: round 0 starts from the weights of a checkpoint."""

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import lottery as package
from lottery.config.start_weights import read_start_weights
from lottery.errors import ConfigError
from lottery.generators import drawn
from lottery.models import ImageNetResNet, LeNet300100, Transformer
from lottery.models.state import fresh_state, read_state
from lottery.record.files import read_json
from tests.conftest import TINY, Lottery, snapshot
from tests.helpers.refused import assert_one_line
from tests.helpers.tickets import TicketCommand, assert_passed

Weights = dict[str, Tensor]


def lenet(classes: int = 10) -> nn.Module:
    return LeNet300100((1, 8, 8), classes)


def weights_of(make: Callable[[], nn.Module], seed: int = 1) -> Weights:
    return drawn(make, seed).state_dict()


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


# What fits


def write_forms(weights: Weights) -> list[Path]:
    """Write the same weights in each form that is accepted."""
    torch.save(weights, "plain.pth")
    torch.save(OrderedDict(weights), "older.pth", _use_new_zipfile_serialization=False)
    torch.save(prefixed(weights, "module."), "parallel.pth")
    lightning = {"epoch": 3, "state_dict": prefixed(weights, "model._orig_mod.")}
    torch.save(lightning, "lightning.ckpt")
    torch.save({name: tensor.double() for name, tensor in weights.items()}, "double.pth")
    save_file(weights, "plain.safetensors")
    return sorted(path for path in Path().iterdir() if path.is_file())


def test_every_form_gives_the_same_weights(folder: Path) -> None:
    weights = weights_of(lenet)
    files = write_forms(weights)
    assert len(files) == 6
    for file in files:
        found = read_start_weights(str(file), lenet(), 10)
        assert found.tensors.keys() == weights.keys()
        assert all(torch.equal(found.tensors[name], weights[name]) for name in weights)
        assert found.head == ()


def test_another_number_of_classes_leaves_the_head_drawn(folder: Path) -> None:
    torch.save(weights_of(lambda: lenet(7)), "seven.pth")
    found = read_start_weights("seven.pth", lenet(), 10)
    assert found.head == ("output.weight", "output.bias")
    assert found.notes(draws_later=False) == [
        "model.init_from=seven.pth: round 0 starts from this file; output.weight and output.bias "
        "are drawn by the seed, because it has 7 classes and the network 10"
    ]
    state = fresh_state(lenet, seed=0)
    start = found.over(state)
    assert start.weights["output.bias"] is state.weights["output.bias"]
    assert torch.equal(start.weights["fc1.weight"], found.tensors["fc1.weight"])


def resnet(classes: int) -> nn.Module:
    return ImageNetResNet((3, 64, 64), classes, depth=18, stem="imagenet")


def test_a_torchvision_state_dict_of_1000_classes_starts_a_network_of_10(folder: Path) -> None:
    weights = weights_of(lambda: resnet(1000))
    weights = {n: t for n, t in weights.items() if not n.endswith("num_batches_tracked")}
    weights["bn1.running_mean"] = torch.rand(64)
    torch.save(weights, "resnet18.pth")
    network = resnet(10)
    found = read_start_weights("resnet18.pth", network, 10)
    assert found.head == ("fc.weight", "fc.bias")
    start = found.over(read_state(network))
    assert torch.equal(start.buffers["bn1.running_mean"], weights["bn1.running_mean"])
    assert start.buffers["bn1.num_batches_tracked"] == 0
    assert start.weights["fc.weight"].shape == (10, 512)


def tied(classes: int = 5) -> nn.Module:
    return Transformer(
        *((4,), classes), depth=1, heads=1, width=4, attention="split", tied=True,
        last_only=False, dropout=0, num_tokens=classes,
    )  # fmt: skip


def test_tied_weights_may_have_one_name_or_both(folder: Path) -> None:
    weights = weights_of(tied)
    once = {name: tensor for name, tensor in weights.items() if name != "output.weight"}
    for stored in (weights, once):
        torch.save(stored, "tied.pth")
        found = read_start_weights("tied.pth", tied(), 5)
        assert torch.equal(found.tensors["embedding.weight"], weights["embedding.weight"])
    torch.save(weights | {"output.weight": torch.zeros(5, 4)}, "tied.pth")
    with pytest.raises(ConfigError, match=r"output\.weight are one weight here, and differ there"):
        read_start_weights("tied.pth", tied(), 5)


# What does not


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("executed"), "")


def spoil(what: str, path: Path) -> None:
    weights: dict[str, Any] = weights_of(lenet)
    if what == "code":
        torch.save(weights | {"epoch": Evil()}, path)
    elif what == "pickle":
        path.write_bytes(pickle.dumps(weights | {"epoch": Evil()}))
    elif what == "compressed":
        torch.save(weights, "plain.pth")
        with zipfile.ZipFile("plain.pth") as plain, zipfile.ZipFile(path, "w", 8) as archive:
            for name in plain.namelist():
                archive.writestr(name, plain.read(name))
    elif what == "text":
        path.write_text("no weights")
    elif what == "fifo":
        os.mkfifo(path)
    elif what != "nowhere":
        changes: dict[str, Any] = {
            "numbers": {"fc1.bias": 1.0},
            "sparse": {"fc1.bias": weights["fc1.bias"].to_sparse()},
            "whole": {"fc1.bias": torch.zeros(300, dtype=torch.long)},
            "unknown": {f"conv{number}.weight": torch.zeros(1) for number in range(5)},
            "inputs": {"fc1.weight": torch.zeros(300, 65)},
            "classes": {"output.weight": torch.zeros(10, 99)},
            "two layers": {"fc2.bias": torch.zeros(7), "output.bias": torch.zeros(7)},
        }
        torch.save({} if what == "empty" else weights | changes[what], path)


BELONGS = "belongs to another network; "


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("nowhere", "no such file; a file with a state dict of this network"),
        ("fifo", "no such file"),
        ("text", "not a weights file: it holds more than tensors and plain containers"),
        ("pickle", "not a weights file: it holds more than tensors and plain containers"),
        ("code", "not a weights file: it holds more than tensors and plain containers"),
        ("compressed", "not a weights file: it is compressed"),
        ("numbers", "holds no state dict: 'fc1.bias' is float, no weight"),
        ("sparse", "holds no state dict: 'fc1.bias' is Tensor, no weight"),
        ("whole", "fc1.bias is of torch.int64, not torch.float32"),
        ("empty", BELONGS + "no fc1.weight, fc1.bias, fc2.weight and 3 more"),
        ("unknown", BELONGS + "unknown here: conv0.weight, conv1.weight, conv2.weight and 2 more"),
        ("inputs", "fc1.weight is (300, 65), (300, 64) expected"),
        ("classes", "output.weight is (10, 99), (10, 100) expected"),
        ("two layers", "fc2.bias is (7,), (100,) expected"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(folder: Path, what: str, line: str) -> None:
    path = Path(f"{what}.pth")
    spoil(what, path)
    with pytest.raises(ConfigError) as error:
        read_start_weights(str(path), lenet(), 10)
    assert str(error.value).startswith(f"model.init_from={path}: ")
    assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("executed").exists()


# Whole runs

ARGS = (*TINY, "logger=none", "model.init_from=weights/lenet.pth")


@pytest.fixture
def weights(folder: Path) -> Weights:
    Path("weights").mkdir()
    stored = weights_of(lambda: lenet(7))
    torch.save(stored, "weights/lenet.pth")
    return stored


def test_a_run_and_its_controls_start_from_the_file(
    lottery: Lottery, ticket: TicketCommand, weights: Weights
) -> None:
    plan = lottery(*ARGS, "dry_run=true")
    assert "model.init_from=lenet.pth: round 0 starts from this file" in plan.out
    trunk = lottery(*ARGS, "dataset.order=fixed").run
    entry = read_json(trunk / "run.json")
    assert "model.init_from=lenet.pth" in entry["digests"]
    assert "output.bias are drawn by the seed" in entry["notes"][0]
    other = lottery(
        *(*ARGS, "dataset.order=fixed", "criterion=copy", f"criterion.run={trunk}"),
        "reinit=random",
    )
    assert "random weights, not model.init_from=lenet.pth" in other.err
    starts = {
        (run, number): package.load_run(run).weights(number, "start")
        for run in (trunk, other.run)
        for number in (0, 1)
    }
    assert torch.equal(starts[trunk, 0]["fc1.weight"], weights["fc1.weight"])
    assert torch.equal(starts[other.run, 0]["fc1.weight"], weights["fc1.weight"])
    mask = package.load_run(trunk).masks(1)["fc1.weight"]
    assert torch.equal(starts[trunk, 1]["fc1.weight"], weights["fc1.weight"] * mask)
    assert not (starts[other.run, 1]["fc1.weight"] == weights["fc1.weight"])[mask].any()

    Path("weights/lenet.pth").unlink()  # a ticket does not need it
    assert_passed(ticket(trunk))
    initial = package.load_ticket(trunk, weights="initial").state_dict()
    assert torch.equal(initial["fc2.weight"], weights["fc2.weight"])


def test_the_file_is_compared_at_every_start(lottery: Lottery, weights: Weights) -> None:
    run = lottery(*ARGS, "rounds=0").run
    before = snapshot(run)
    torch.save(weights | {"fc1.bias": torch.ones(300)}, "weights/lenet.pth")
    for words in (ARGS, (*ARGS, "dry_run=true")):
        refused = lottery(*words)
        assert_one_line(refused, "began with other content of", "model.init_from=lenet.pth")
    assert snapshot(run) == before
