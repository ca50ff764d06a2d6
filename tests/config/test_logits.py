"""`model.logits`: which of a network's outputs are the logits."""

from pathlib import Path
from typing import Any

import pytest

from lottery.config.run_key import canonical
from tests.conftest import TINY, Lottery, WriteModule
from tests.helpers.experiments import composed
from tests.helpers.written_networks import HEAD, assert_refused, assert_right, network

TUPLE = """
    def forward(self, inputs):
        hidden = self.fc1(inputs.flatten(1)).relu()
        return hidden, self.output(hidden)
"""
RIGHT = {
    "a tuple": (network(forward=TUPLE), "1"),
    "a dict": (
        network(
            forward=TUPLE.replace("hidden, ", "").replace(
                "self.output(hidden)", "{'features': hidden, 'out': self.output(hidden)}"
            )
        ),
        "out",
    ),
    "an object": (
        "from types import SimpleNamespace\n"
        + network(
            forward=TUPLE.replace(
                "hidden, self.output(hidden)", "SimpleNamespace(logits=self.output(hidden))"
            )
        ),
        "logits",
    ),
    "a tuple in training mode only": (
        network(
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
        network(forward=TUPLE),
        "in evaluation mode forward returns a tuple of 2; model.logits names the logits among "
        "them, such as model.logits=0",
    ),
    "a dict": (
        RIGHT["a dict"][0],
        "in evaluation mode forward returns a dict with features, out; model.logits names",
    ),
    "a tuple in training mode only": (
        RIGHT["a tuple in training mode only"][0],
        "in training mode forward returns a tuple of 2; model.logits names",
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_is_trained_with_its_logits_named(
    lottery: Lottery, write_module: WriteModule, name: str
) -> None:
    source, logits = RIGHT[name]
    write_module("written", HEAD + source)
    assert_right(lottery, f"model.logits={logits}")


@pytest.mark.parametrize("name", REFUSED)
def test_logits_without_a_name_are_refused_in_one_line(
    lottery: Lottery, folder: Path, write_module: WriteModule, name: str
) -> None:
    source, line = REFUSED[name]
    write_module("written", HEAD + source)
    assert_refused(lottery, folder, line)


@pytest.mark.parametrize(
    ("logits", "line"),
    [
        ("2", "model.logits=2: forward returns a tuple of 2"),
        ("out", "model.logits=out: forward returns a tuple of 2"),
        ("-1", "model.logits=-1: a position (0 is the first) or a name"),
        ("true", "model.logits=true: a position (0 is the first) or a name"),
        (
            "0",
            "model._target_=written.Net: gives (12,) outputs for an example; the task needs (10,)",
        ),
    ],
)
def test_wrong_logits_are_refused(
    lottery: Lottery, write_module: WriteModule, logits: str, line: str
) -> None:
    write_module("written", HEAD + network(forward=TUPLE))
    done = lottery(*TINY, "model._target_=written.Net", f"model.logits={logits}")
    assert done.code == 2
    assert done.err.startswith(f"error: {line}"), done.err


def test_the_logits_of_a_ticket(lottery: Lottery, ticket: Any, write_module: WriteModule) -> None:
    write_module("written", HEAD + network(forward=TUPLE))
    run = lottery(*TINY, "model._target_=written.Net", "model.rates=[]", "model.logits=1").run
    done = ticket(run, "--trust-code")
    assert done.code == 0, done.out + done.err


def test_no_logits_is_the_key_of_older_runs() -> None:
    config = composed()
    assert "model.logits" not in canonical(config)
    assert canonical(composed("model.logits=0"))["model.logits"] == 0
