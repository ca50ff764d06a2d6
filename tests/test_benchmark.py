"""The benchmark runs; its figures need a quiet machine."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from tests.conftest import Done

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def benchmark(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Done]]:
    """`benchmark("--quick")` runs the script in this process, in an empty folder."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield partial(in_process, import_module("benchmark").main, "benchmark.py")
    logging.disable(logging.NOTSET)
    for name in [name for name in sys.modules if name.startswith("benchmark")]:
        del sys.modules[name]


def test_it_measures_every_part(benchmark: Callable[..., Done], folder: Path) -> None:
    file = folder / "figures.json"
    done = benchmark("--quick", "--json", file)
    assert done.code == 0, done.err
    results = json.loads(file.read_text())["results"]
    assert list(results) == [
        "rounds",
        "native",
        "steps",
        "stacked",
        "pruning",
        "between",
        "figure",
        "startup",
    ]
    (row,) = results["rounds"]
    assert row["equal weights"] is True
    assert row["ratio"] > 0
    (line,) = results["stacked"]
    assert line["ratio"] == pytest.approx(line["as one"] / line["alone"])
    assert all(line["s"] > 0 for line in results["startup"])
    (line,) = results["figure"]
    assert (line["rounds"], line["of them trained"]) == (4, 1)
    assert 0 < line["bare loops s"] < line["sweep s"]
    assert str(round(row["ratio"], 2))[:3] in done.out


def test_an_unknown_part_is_named(benchmark: Callable[..., Done]) -> None:
    done = benchmark("nothing")
    assert done.code == 2
    assert (
        "nothing: one of rounds, native, steps, stacked, pruning, between, figure, startup"
        in done.err
    )
