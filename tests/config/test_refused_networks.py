"""Networks that cannot be trained right are refused in one line before training."""

from pathlib import Path

import pytest

from tests.conftest import Lottery, WriteModule
from tests.helpers.written_networks import FORWARD, HEAD, assert_refused, network

REFUSED = {
    "the new weight_norm": (
        network("        parametrizations.weight_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "the new spectral_norm": (
        network("        parametrizations.spectral_norm(self.output)\n"),
        "output.weight is computed from other parameters in each forward pass",
    ),
    "the old weight_norm": (
        network("        weight_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "the old spectral_norm": (
        network("        spectral_norm(self.fc1)\n"),
        "fc1.weight is computed from other parameters in each forward pass",
    ),
    "weight_norm of a recurrent layer": (
        network(
            "        self.lstm = nn.LSTM(8, 8)\n        weight_norm(self.lstm, 'weight_hh_l0')\n"
        ),
        "lstm.weight_hh_l0 is computed from other parameters in each forward pass",
    ),
    "pruned by torch": (
        network("        prune.identity(self.fc1, 'weight')\n"),
        "fc1.weight is pruned by torch.nn.utils.prune already",
    ),
    "new names in each forward": (
        network(
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
        network(
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
        network("        self.phase = nn.Parameter(torch.zeros(3, dtype=torch.complex64))\n"),
        "phase has complex numbers; accepted: real ones",
    ),
    "complex logits": (
        network(
            forward="""
    def forward(self, inputs):
        return torch.fft.fft(self.output(self.fc1(inputs.flatten(1)).relu()))
""",
        ),
        "forward returns torch.complex64; logits are real numbers",
    ),
    "classes": (
        network(forward=FORWARD.rstrip() + ".argmax(1)\n"),
        "forward returns torch.int64; logits are real numbers",
    ),
    "a batch size of its own": (
        network(
            forward="""
    def forward(self, inputs):
        return self.output(self.fc1(inputs.reshape(2, 64)).relu())
""",
        ),
        "does not fit the dataset's input shape (1, 8, 8): ",
    ),
    "a batch of two or more": (
        network(
            forward="""
    def forward(self, inputs):
        return self.output(self.fc1(inputs.squeeze().flatten(1)).relu())
""",
        ),
        "fails on a batch of one: mat1 and mat2 shapes cannot be multiplied",
    ),
    "a second input": (
        network(forward=FORWARD.replace("self, inputs", "self, inputs, mask")),
        "forward gets the inputs alone: missing a required argument: 'mask'",
    ),
    "no forward": (network(forward=""), "does not fit the dataset's input shape (1, 8, 8): "),
    "too few outputs": (
        network("        self.output = nn.Linear(12, 3)\n"),
        "gives (3,) outputs for an example; the task needs (10,)",
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_line(
    lottery: Lottery, folder: Path, write_module: WriteModule, name: str
) -> None:
    source, line = REFUSED[name]
    write_module("written", HEAD + source)
    assert_refused(lottery, folder, line)
