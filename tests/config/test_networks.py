"""Networks as people write them are trained right."""

import pandas as pd
import pytest
import torch

from lottery.tensors import load_tensors
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.written_networks import HEAD, assert_right, network

RIGHT = {
    "two layers": network(),
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
    "no bias, a scale and a buffer": network(
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
    "BatchNorm and dropout": network(
        """
        self.norm, self.drop = nn.BatchNorm1d(12), nn.Dropout(0.1)
""",
        """
    def forward(self, inputs):
        return self.output(self.drop(self.norm(self.fc1(inputs.flatten(1)))))
""",
    ),
    "tied weights": network(
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
    "a layer called twice": network(
        """
        self.fc2 = nn.Linear(12, 12)
""",
        """
    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        return self.output(self.fc2(self.fc2(hidden).relu()))
""",
    ),
    "a frozen layer": network("        self.fc1.requires_grad_(False)\n"),
    "an unused layer": network("        self.fc2 = nn.Linear(3, 3)\n"),
    "a grouped, a dilated and a transposed convolution": network(
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
    "Conv1d": network(
        "        self.conv1 = nn.Conv1d(8, 8, 3, padding=1)\n",
        """
    def forward(self, inputs):
        return self.output(self.fc1(self.conv1(inputs.flatten(1, 2)).flatten(1)).relu())
""",
    ),
    "Conv3d": network(
        "        self.conv1 = nn.Conv3d(1, 1, 3, padding=1)\n",
        """
    def forward(self, inputs):
        return self.output(self.fc1(self.conv1(cube(inputs)).flatten(1)).relu())
""",
    ),
    "attention": network(
        "        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)\n",
        """
    def forward(self, inputs):
        rows = inputs.flatten(1, 2)
        mixed, _ = self.attention(rows, rows, rows)
        return self.output(self.fc1(mixed.flatten(1)).relu())
""",
    ),
    "an LSTM": network(
        "        self.lstm = nn.LSTM(8, 8, batch_first=True)\n",
        """
    def forward(self, inputs):
        mixed, _ = self.lstm(inputs.flatten(1, 2))
        return self.output(self.fc1(mixed.flatten(1)).relu())
""",
    ),
    "a forward that looks at values": network(
        forward="""
    def forward(self, inputs):
        scale = max(1.0, float(inputs.abs().max()))
        return self.output(self.fc1(inputs.flatten(1) / scale).relu())
""",
    ),
    "lazy layers": network(
        """
        self.fc1, self.norm = nn.LazyLinear(12), nn.LazyBatchNorm1d()
""",
        """
    def forward(self, inputs):
        return self.output(self.norm(self.fc1(inputs.flatten(1))).relu())
""",
    ),
    "a layer made in the first forward": network(
        "        del self.fc1\n        self.fc1 = None\n",
        """
    def forward(self, inputs):
        inputs = inputs.flatten(1)
        if self.fc1 is None:
            self.fc1 = nn.Linear(inputs.shape[1], 12)
        return self.output(self.fc1(inputs).relu())
""",
    ),
    "a forward that asks for a layer's sizes": network(
        forward="""
    def forward(self, inputs):
        out, width = self.fc1.weight.shape
        assert (out, width) == (self.fc1.out_features, self.fc1.in_features)
        return self.output(self.fc1(inputs.reshape(-1, self.fc1.in_features)).relu())
""",
    ),
    "a forward that takes a layer's weight itself": network(
        forward="""
    def forward(self, inputs):
        hidden = linear(inputs.flatten(1), self.fc1.weight.cos(), self.fc1.bias)
        return self.output(hidden.relu())
""",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_is_trained(lottery: Lottery, write_module: WriteModule, name: str) -> None:
    write_module("written", HEAD + RIGHT[name])
    assert_right(lottery)


def test_a_measurement_that_fails_is_missing(lottery: Lottery, write_module: WriteModule) -> None:
    """It runs on CSR weights, which have no square root here, or in batches of another size."""
    source = network(
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
