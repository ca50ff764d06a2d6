"""No override ends in a traceback of ours, in a hang, or in a file of a refused command.

60 examples, always the same. LOTTERY_EXAMPLES=5000 draws that many others.
"""

import io
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given, settings
from hypothesis import strategies as st

from lottery.cli import train
from lottery.config.run_key import flatten
from tests.conftest import Done, remove_log_handlers
from tests.helpers.experiments import composed
from tests.helpers.toy_rows import toy_row

EXAMPLES = int(os.environ.get("LOTTERY_EXAMPLES", "60"))
SECONDS = 120  # that a command may take on a busy machine

CONFIG = composed()
GROUPS = {
    "dataset": "digits modular_addition tabular image_folder",
    "model": "lenet_300_100 lenet_5 conv_2 transformer",
    "criterion": "magnitude random snip grasp synflow copy movement",
    "scope": "layerwise global erk balanced",
    "reinit": "rewind random sign none lr_rewind finetune",
    "optimizer": "adam sgd adamw",
    "scheduler": "constant cosine one_cycle warmup step_drops linear_warmup_cosine plateau",
    "trainer": "auto cpu gpu ddp_cpu",
    "logger": "tensorboard csv none",
    "callbacks": "none",
    "experiment": "lenet_binary",
}
KEYS = sorted({*CONFIG, *flatten(CONFIG), "shortened", "shortened.rounds", "shortened.dataset"})
TARGETS = [
    ".",
    "..",
    "a b",
    "nothing",
    "nothing.Here",
    "torch",
    "torch.nn",
    "torch.nn.ReLU",
    "torch.nn.Linear",
    "torch.optim.SGD",
    "torch.optim.LBFGS",
    "torch.nn.functional.relu",
    "torch.float32",
    "builtins.dict",
    "pathlib.Path",
    "math.sqrt",
    "lottery.data.Digits",
    "lottery.models.LeNet5",
    "lottery.pruning.Random",
    "lottery.pruning.CopiedPruner",
    "lottery.reinit.Rewind",
    "lottery.training.schedules.Cosine",
    "__main__.Net",
    "null",
    "5",
    "[torch.nn.ReLU]",
]
LITERALS = [
    *("null", "true", "false", "0", "1", "-1", "2", "3.5", "0.5", "1e-300", "1e300", "1e400"),
    *("nan", "inf", "-inf", "-0.0", "5ep", "20it", "-5ep", "1e3it", "''", '""', "???", "[]", "{}"),
    *("[1,2]", "[a,'b']", "[null]", "[[],{}]", "{a: 1}", "{_target_: 5}", "[{'x': 1}]", "{a: {}}"),
    *("${seed}", "${nothing}", "${rounds}x", "${oc.env:NOTHING}", "${oops:1}", "${", "'${seed'"),
    *("${dataset}", "${hydra:job.name}", "\\${seed}", "'it''s'", '"a\'b"', "a=b", "a,b", "*", "["),
    *("1,2", "range(3)", "choice(1,2)", "glob(*)", "'\t'", "'one\ntwo'", "é", "'é'", "'\u2028'"),
    *("/proc/nowhere", "../above", "a/b/c", "~", "''''", "int(5)", "str(5)", "0x10", "1_000"),
]
VALUES = st.one_of(
    st.sampled_from(LITERALS),
    st.integers(-3, 3).map(lambda power: str(10 ** (10 * abs(power)) * (1 if power > 0 else -1))),
    st.integers(1, 6000).map(lambda digits: "9" * digits),
    st.floats().map(str),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.lists(st.sampled_from(LITERALS), max_size=3).map(lambda items: f"[{','.join(items)}]"),
)
NAMES = st.one_of(
    st.sampled_from(KEYS),
    st.tuples(
        st.sampled_from(KEYS), st.sampled_from(["new", "_target_", "_args_", "x.y", "0"])
    ).map(".".join),
    st.sampled_from(
        ["nonsense", "lr", "batch", "é", "a b", "", "shortened.pruning", "a@b", "x/y"]
    ),
)
OVERRIDES = st.one_of(
    st.tuples(st.sampled_from(["", "", "+", "++"]), NAMES, VALUES).map(
        lambda words: f"{words[0]}{words[1]}={words[2]}"
    ),
    st.sampled_from(KEYS).map(lambda key: f"~{key}"),
    st.tuples(st.sampled_from(KEYS), VALUES).map(lambda words: f"~{words[0]}={words[1]}"),
    st.tuples(st.sampled_from(["", "++"]), st.sampled_from(KEYS), st.sampled_from(TARGETS)).map(
        lambda words: f"{words[0]}{words[1]}._target_={words[2]}"
    ),
    st.sampled_from(sorted(GROUPS)).flatmap(
        lambda group: st.one_of(st.sampled_from(GROUPS[group].split()), VALUES).map(
            lambda option: f"{group}={option}"
        )
    ),
)


@contextmanager
def _nothing_trains_or_hangs() -> Iterator[None]:
    """Let a command end where its training would start; forbid the network, and end a hang."""

    def no_network(*_: object) -> None:
        raise OSError("there is no network in this test")

    def too_late(_: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"after {SECONDS} s in {frame}")

    before = signal.signal(signal.SIGALRM, too_late)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "run_with_status", lambda *_, **__: [toy_row(0)])
        patch.setattr(socket.socket, "connect", no_network)
        patch.setattr(socket, "getaddrinfo", no_network)
        signal.alarm(SECONDS)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


def _lottery(folder: str, overrides: list[str]) -> Done:
    """Run the command in this process up to its training."""
    GlobalHydra.instance().clear()
    out, err, code, path = io.StringIO(), io.StringIO(), 0, list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["lottery", *overrides])
        with redirect_stdout(out), redirect_stderr(err), _nothing_trains_or_hangs():
            try:
                train.main()
            except SystemExit as stop:
                code = int(stop.code or 0)
    torch.set_num_threads(1)
    sys.path[:] = path
    remove_log_handlers(logging.FileHandler)
    return Done(code, out.getvalue(), err.getvalue())


@settings(max_examples=EXAMPLES, derandomize="LOTTERY_EXAMPLES" not in os.environ)
@given(st.lists(OVERRIDES, min_size=1, max_size=3))
def test_any_overrides_are_one_line_or_hydras_error_or_a_run(overrides: list[str]) -> None:
    with TemporaryDirectory() as folder:
        done = _lottery(folder, overrides)
        written = [path for path in Path(folder).rglob("*") if path.name != "__pycache__"]
    shown = f"lottery {shlex.join(overrides)}\n{done.err}"
    assert "Traceback" not in done.err, shown
    assert done.code in (0, 1, 2), shown
    if done.code == 2:
        *before, last = done.err.splitlines()
        assert last.startswith("error: "), shown
        assert all(line.startswith(("downloading ", "data/images: ")) for line in before), shown
    if done.code:
        assert written == [], shown
        assert done.out == "", shown
