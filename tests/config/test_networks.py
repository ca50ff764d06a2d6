"""Networks as people write them: each is trained right, or refused in one line before training."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from lottery import load_run
from lottery.config.run_key import canonical
from lottery.tensors import load_tensors
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.experiments import composed

HEAD = """
import random

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear, max_pool2d
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm


def cube(inputs):
    return inputs.unflatten(3, (2, 4)).movedim(3, 2)
"""

# Each network has a forward of images (batch, 1, 8, 8), and at least fc1 and output.
LAYERS = """
        super().__init__()
        self.fc1 = nn.Linear(64, 12)
        self.output = nn.Linear(12, 10)
"""
FORWARD = """
    def forward(self, inputs):
        return self.output(self.fc1(inputs.flatten(1)).relu())
"""


def _network(layers: str = "", forward: str = FORWARD, more: str = "") -> str:
    return f"class Net(nn.Module):\n    def __init__(self):{LAYERS}{layers}{forward}{more}"


RIGHT = {
    "two layers": _network(),
    "a Sequential": """
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
""",
    "one layer": """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(64, 10)

    def forward(self, inputs):
        return self.output(inputs.flatten(1))
""",
    "no bias, a scale and a buffer": _network(
        """
        self.fc1 = nn.Linear(64, 12, bias=False)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("shift", torch.zeros(12), persistent=False)
""",
        """
    def forward(self, inputs):
        return self.output((self.scale * self.fc1(inputs.flatten(1)) + self.shift).relu())
""",
    ),
    "BatchNorm and dropout": _network(
        """
        self.norm, self.drop = nn.BatchNorm1d(12), nn.Dropout(0.1)
""",
        """
    def forward(self, inputs):
        return self.output(self.drop(self.norm(self.fc1(inputs.flatten(1)))))
""",
    ),
    "tied weights": _network(
        """
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 64)
        self.fc2.weight = self.fc1.weight
        self.output = nn.Linear(64, 10)
""",
        """
    def forward(self, inputs):
        return self.output(self.fc2(self.fc1(inputs.flatten(1)).relu()).relu())
""",
    ),
    "a layer called twice": _network(
        """
        self.fc2 = nn.Linear(12, 12)
""",
        """
    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        return self.output(self.fc2(self.fc2(hidden).relu()))
""",
    ),
    "a frozen layer": _network("        self.fc1.requires_grad_(False)\n"),
    "an unused layer": _network("        self.fc2 = nn.Linear(3, 3)\n"),
    "a grouped, a dilated and a transposed convolution": _network(
        """
        self.conv1 = nn.Conv2d(1, 4, 3, padding=2, dilation=2)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.conv3 = nn.ConvTranspose2d(4, 1, 3, padding=1)
""",
        """
    def forward(self, inputs):
        hidden = self.conv3(self.conv2(self.conv1(inputs)).relu())
        return self.output(self.fc1(hidden.flatten(1)).relu())
""",
    ),
    "Conv1d": _network(
        "        self.conv1 = nn.Conv1d(8, 8, 3, padding=1)\n",
        """
    def forward(self, inputs):
        return self.output(self.fc1(self.conv1(inputs.flatten(1, 2)).flatten(1)).relu())
""",
    ),
    "Conv3d": _network(
        "        self.conv1 = nn.Conv3d(1, 1, 3, padding=1)\n",
        """
    def forward(self, inputs):
        return self.output(self.fc1(self.conv1(cube(inputs)).flatten(1)).relu())
""",
    ),
    "attention": _network(
        "        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)\n",
        """
    def forward(self, inputs):
        rows = inputs.flatten(1, 2)
        mixed, _ = self.attention(rows, rows, rows)
        return self.output(self.fc1(mixed.flatten(1)).relu())
""",
    ),
    "an LSTM": _network(
        "        self.lstm = nn.LSTM(8, 8, batch_first=True)\n",
        """
    def forward(self, inputs):
        mixed, _ = self.lstm(inputs.flatten(1, 2))
        return self.output(self.fc1(mixed.flatten(1)).relu())
""",
    ),
    "a forward that looks at values": _network(
        forward="""
    def forward(self, inputs):
        scale = max(1.0, float(inputs.abs().max()))
        return self.output(self.fc1(inputs.flatten(1) / scale).relu())
""",
    ),
    "lazy layers": _network(
        """
        self.fc1, self.norm = nn.LazyLinear(12), nn.LazyBatchNorm1d()
""",
        """
    def forward(self, inputs):
        return self.output(self.norm(self.fc1(inputs.flatten(1))).relu())
""",
    ),
    "a layer made in the first forward": _network(
        "        del self.fc1\n        self.fc1 = None\n",
        """
    def forward(self, inputs):
        inputs = inputs.flatten(1)
        if self.fc1 is None:
            self.fc1 = nn.Linear(inputs.shape[1], 12)
        return self.output(self.fc1(inputs).relu())
""",
    ),
    "a forward that asks for a layer's sizes": _network(
        forward="""
    def forward(self, inputs):
        out, width = self.fc1.weight.shape
        assert (out, width) == (self.fc1.out_features, self.fc1.in_features)
        return self.output(self.fc1(inputs.reshape(-1, self.fc1.in_features)).relu())
""",
    ),
    "a forward that takes a layer's weight itself": _network(
        forward="""
    def forward(self, inputs):
        hidden = linear(inputs.flatten(1), self.fc1.weight.cos(), self.fc1.bias)
        return self.output(hidden.relu())
""",
    ),
}

TUPLE = """
    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        return hidden, self.output(hidden)
"""
RIGHT_WITH_LOGITS = {
    "a tuple": (_network(forward=TUPLE), "1"),
    "a dict": (
        _network(
            forward=TUPLE.replace("hidden, ", "").replace(
                "self.output(hidden)", "{'features': hidden, 'out': self.output(hidden)}"
            )
        ),
        "out",
    ),
    "an object": (
        "from types import SimpleNamespace\n"
        + _network(
            forward=TUPLE.replace(
                "hidden, self.output(hidden)", "SimpleNamespace(logits=self.output(hidden))"
            )
        ),
        "logits",
    ),
    "a tuple in training mode only": (
        _network(
            "        self.auxiliary = nn.Linear(12, 10)\n",
            """
    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        logits = self.output(hidden)
        return (logits, self.auxiliary(hidden)) if self.training else logits
""",
        ),
        "0",
    ),
}

REFUSED = {
    "a tuple": (
        _network(forward=TUPLE),
        "in evaluation mode forward returns a tuple of 2; model.logits names the logits among "
        "them, such as model.logits=0",
    ),
    "a dict": (
        RIGHT_WITH_LOGITS["a dict"][0],
        "in evaluation mode forward returns a dict with features, out; model.logits names",
    ),
    "a tuple in training mode only": (
        RIGHT_WITH_LOGITS["a tuple in training mode only"][0],
        "in training mode forward returns a tuple of 2; model.logits names",
    ),
    "the new weight_norm": (
        _network("        parametrizations.weight_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "the new spectral_norm": (
        _network("        parametrizations.spectral_norm(self.output)\n"),
        "output.weight is computed from other parameters in each forward pass",
    ),
    "the old weight_norm": (
        _network("        weight_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "the old spectral_norm": (
        _network("        spectral_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "weight_norm of a recurrent layer": (
        _network(
            "        self.lstm = nn.LSTM(8, 8)\n        weight_norm(self.lstm, 'weight_hh_l0')\n"
        ),
        "lstm.weight_hh_l0 is computed from other parameters in each forward pass",
    ),
    "pruned by torch": (
        _network("        prune.identity(self.fc1, 'weight')\n"),
        "fc1.weight is pruned by torch.nn.utils.prune already",
    ),
    "new names in each forward": (
        _network(
            forward="""
    def forward(self, inputs):
        self.register_parameter(
            f"seen{len(list(self.parameters()))}", nn.Parameter(torch.zeros(1))
        )
        return self.output(self.fc1(inputs.flatten(1)).relu())
""",
        ),
        "each forward pass changes the names or shapes of its parameters or buffers",
    ),
    "a state of its own": (
        _network(
            more="""
    def get_extra_state(self):
        return {"calls": 1}

    def set_extra_state(self, state):
        pass
""",
        ),
        "the network has get_extra_state, and this state would not be stored",
    ),
    "complex weights": (
        _network("        self.phase = nn.Parameter(torch.zeros(3, dtype=torch.complex64))\n"),
        "phase has complex numbers; accepted: real ones",
    ),
    "complex logits": (
        _network(
            forward="""
    def forward(self, inputs):
        return torch.fft.fft(self.output(self.fc1(inputs.flatten(1)).relu()))
""",
        ),
        "forward returns torch.complex64; logits are real numbers",
    ),
    "classes": (
        _network(forward=FORWARD.rstrip() + ".argmax(1)\n"),
        "forward returns torch.int64; logits are real numbers",
    ),
    "a batch size of its own": (
        _network(
            forward="""
    def forward(self, inputs):
        return self.output(self.fc1(inputs.reshape(2, 64)).relu())
""",
        ),
        "does not fit the dataset's input shape (1, 8, 8): ",
    ),
    "a batch of two or more": (
        _network(
            forward="""
    def forward(self, inputs):
        return self.output(self.fc1(inputs.squeeze().flatten(1)).relu())
""",
        ),
        "fails on a batch of one: mat1 and mat2 shapes cannot be multiplied",
    ),
    "a second input": (
        _network(forward=FORWARD.replace("self, inputs", "self, inputs, mask")),
        "forward gets the inputs alone: missing a required argument: 'mask'",
    ),
    "no forward": (_network(forward=""), "does not fit the dataset's input shape (1, 8, 8): "),
    "too few outputs": (
        _network("        self.output = nn.Linear(12, 3)\n"),
        "gives (3,) outputs, the dataset has 10 classes",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_is_trained(lottery: Lottery, write_module: WriteModule, name: str) -> None:
    write_module("written", HEAD + RIGHT[name])
    _assert_right(lottery)


@pytest.mark.parametrize("name", RIGHT_WITH_LOGITS)
def test_is_trained_with_its_logits_named(
    lottery: Lottery, write_module: WriteModule, name: str
) -> None:
    source, logits = RIGHT_WITH_LOGITS[name]
    write_module("written", HEAD + source)
    _assert_right(lottery, f"model.logits={logits}")


def _assert_right(lottery: Lottery, *arguments: str) -> None:
    """Train two rounds; the stored networks, loaded again, have the accuracies of the table."""
    done = lottery(*TINY, "model._target_=written.Net", "model.rates=[]", *arguments)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    run = load_run(done.run)
    assert run.results["remaining"].tolist() == pytest.approx([1.0, 0.8], abs=0.01)
    for name, mask in run.masks(1).items():
        assert not run.weights(1, "final")[name][~mask].any()
    assert run.model(1, trust_code=True)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert run.model(1, trust_code=True).train()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_line(
    lottery: Lottery, folder: Path, write_module: WriteModule, name: str
) -> None:
    source, line = REFUSED[name]
    write_module("written", HEAD + source)
    done = lottery(*TINY, "model._target_=written.Net", "model.rates=[]")
    assert done.code == 2
    assert done.err.startswith(f"error: model._target_=written.Net: {line}"), done.err
    assert len(done.err.splitlines()) == 1
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize(
    ("logits", "line"),
    [
        ("2", "model.logits=2: forward returns a tuple of 2"),
        ("out", "model.logits=out: forward returns a tuple of 2"),
        ("-1", "model.logits=-1: a position (0 is the first) or a name"),
        ("true", "model.logits=true: a position (0 is the first) or a name"),
        ("0", "model._target_=written.Net: gives (12,) outputs, the dataset has 10 classes"),
    ],
)
def test_wrong_logits_are_refused(
    lottery: Lottery, write_module: WriteModule, logits: str, line: str
) -> None:
    write_module("written", HEAD + _network(forward=TUPLE))
    done = lottery(*TINY, "model._target_=written.Net", f"model.logits={logits}")
    assert done.code == 2
    assert done.err.startswith(f"error: {line}"), done.err


def test_the_logits_of_a_ticket(lottery: Lottery, ticket: Any, write_module: WriteModule) -> None:
    write_module("written", HEAD + _network(forward=TUPLE))
    run = lottery(*TINY, "model._target_=written.Net", "model.rates=[]", "model.logits=1").run
    done = ticket(run, "--trust-code")
    assert done.code == 0, done.out + done.err


def test_no_logits_is_the_key_of_older_runs() -> None:
    config = composed()
    assert "model.logits" not in canonical(config)
    assert canonical(composed("model.logits=0"))["model.logits"] == 0


def test_a_measurement_that_fails_is_missing(lottery: Lottery, write_module: WriteModule) -> None:
    """It runs on CSR weights, which have no square root here, or in batches of another size."""
    source = _network(
        forward="""
    def forward(self, inputs):
        if len(inputs) == 100:
            raise KeyError("a hundred")
        return self.output(self.fc1(inputs.flatten(1)).relu())
"""
    )
    write_module("written", HEAD + source)
    done = lottery(*TINY, "model._target_=written.Net", "model.rates=[]", "pruning.rate=0.6")
    assert done.code == 0, done.err
    assert done.err.count("inference_ms is not measured: KeyError: 'a hundred'") == 2
    assert done.err.count("inference_csr_ms is not measured: KeyError: 'a hundred'") == 1
    timing = pd.read_csv(done.run / "timing.csv")
    assert timing["inference_ms"].isna().all()
    assert timing["steps_per_second"].notna().all()


def test_layers_of_the_first_forward_are_drawn_by_the_seed(
    lottery: Lottery, write_module: WriteModule
) -> None:
    for name in ("lazy layers", "a layer made in the first forward"):
        module = name.replace(" ", "_").replace("'", "")
        write_module(module, HEAD + RIGHT[name])
        own = (*TINY, f"model._target_={module}.Net", "model.rates=[]", "rounds=0")
        start = "rounds/00/start.safetensors"
        first = load_tensors(lottery(*own, "output_dir=a").run / start)
        again = load_tensors(lottery(*own, "output_dir=b").run / start)
        other = load_tensors(lottery(*own, "output_dir=a", "seed=1").run / start)
        assert torch.equal(first["fc1.weight"], again["fc1.weight"])
        assert not torch.equal(first["fc1.weight"], other["fc1.weight"])
