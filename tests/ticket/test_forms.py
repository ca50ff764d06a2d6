"""A ticket outside `lottery`: the code of its page is run; exports give the same outputs."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from lottery import load_ticket, run
from lottery.masks import masked, prunable_weights
from lottery.models import ConvN
from lottery.record.opened_run import open_run
from lottery.ticket.export import csr_form, prune_form
from lottery.ticket.extract import take_out
from lottery.ticket.ticket import open_ticket
from tests.conftest import TINY

DOC = Path(__file__).parents[2] / "docs/how-to/ticket.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
WITH_LOTTERY, LOAD, PRUNE, CSR, DIGITS_28 = BLOCKS


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits with its ticket and both exports of both weights."""
    path = run(*TINY, "logger=none", f"output_dir={tmp_path_factory.mktemp('taken')}").path
    take_out(open_run(path), 1, trust_code=False)
    for weights in ("es", "final"):
        for form in ("prune", "csr"):
            open_ticket(path, trust_code=False).export(form, weights)
    return path


@pytest.fixture(params=["es", "final"])
def weights(request: pytest.FixtureRequest, taken: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(taken)
    return str(request.param)


def _run(names: dict[str, Any], block: str, weights: str) -> dict[str, Any]:
    exec(block.replace("ticket/es.", f"ticket/{weights}.").replace("/es_", f"/{weights}_"), names)
    return names


def test_it_loads_in_ten_lines_without_lottery(taken: Path, weights: str) -> None:
    lines = [line for line in LOAD.splitlines() if line]
    assert len(lines) <= 10
    assert "lottery" not in LOAD
    inputs = torch.rand(7, 1, 8, 8)
    network = _run({}, LOAD, weights)["network"]
    assert torch.equal(network(inputs), load_ticket(taken, weights)(inputs))


def test_the_documented_prune_form_loads(taken: Path, weights: str) -> None:
    inputs = torch.rand(7, 1, 8, 8)
    names = _run({}, LOAD, "final" if weights == "es" else "es")
    network = _run(names, PRUNE, weights)["network"]
    expected = load_ticket(taken, weights)
    assert torch.equal(network(inputs), expected(inputs))
    assert prune.is_pruned(network)
    for name in ("fc1", "fc2", "output"):  # PyTorch can go on with it
        prune.remove(network.get_submodule(name), "weight")
    assert torch.equal(network.state_dict()["fc1.weight"], expected.state_dict()["fc1.weight"])


def test_the_documented_reader_of_csr_gives_the_same_outputs(taken: Path, weights: str) -> None:
    inputs = torch.rand(7, 1, 8, 8)
    expected = load_ticket(taken, weights)
    network = load_ticket(taken, "initial")
    read = _run({}, CSR, weights)["load_csr"](f"ticket/exports/{weights}_csr.safetensors")
    assert read.keys() == expected.state_dict().keys()
    network.load_state_dict(read)
    assert torch.equal(network(inputs), expected(inputs))


def test_load_ticket_as_documented(taken: Path) -> None:
    names: dict[str, Any] = {}
    exec(WITH_LOTTERY.replace("outputs/digits-.../seed_0", str(taken)), names)
    assert isinstance(names["network"], nn.Module)


def test_the_documented_digits_have_mnists_shape() -> None:
    names: dict[str, Any] = {"__name__": __name__}
    exec(DIGITS_28, names)
    splits = names["Digits28"](split_seed=0).load()
    splits.check()
    assert splits.input_shape == (1, 28, 28)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1200, 300, 297]


def _conv_2() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    network = ConvN((3, 8, 8), 4, convolutions=2, dropout=0).eval()
    weights = prunable_weights(network)
    return network, {name: torch.rand(w.shape) < 0.3 for name, w in weights.items()}


def test_a_convolution_in_csr_is_a_matrix_with_a_row_for_each_filter() -> None:
    network, masks = _conv_2()
    weights = masked({n: t.clone() for n, t in network.state_dict().items()}, masks)
    state = csr_form(weights, masks)
    name = "conv2.weight"
    with warnings.catch_warnings(action="ignore"):  # torch calls CSR a beta
        rows = torch.sparse_csr_tensor(
            state[f"{name}.crow_indices"],
            state[f"{name}.col_indices"],
            state[f"{name}.values"],
        )
    assert state[f"{name}.shape"].tolist() == [64, 64, 3, 3]
    assert torch.equal(rows.to_dense(), weights[name].flatten(1))
    assert len(state[f"{name}.values"]) == masks[name].sum()
    size = sum(t.numel() * t.element_size() for n, t in state.items() if n.startswith(name))
    assert size < 0.65 * weights[name].numel() * 4


def test_prune_form_of_convolutions() -> None:
    network, masks = _conv_2()
    weights = masked({n: t.clone() for n, t in network.state_dict().items()}, masks)
    inputs = torch.rand(2, 3, 8, 8)
    other = ConvN((3, 8, 8), 4, convolutions=2, dropout=0).eval()
    for name in masks:
        module = other.get_submodule(name.removesuffix(".weight"))
        prune.custom_from_mask(module, "weight", torch.ones_like(module.weight))
    other.load_state_dict(prune_form(weights, masks))
    network.load_state_dict(weights)
    assert torch.equal(other(inputs), network(inputs))


@given(st.data())
def test_csr_holds_every_kept_weight_zeros_included(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    mask = torch.rand(shape, generator=generator) < data.draw(st.floats(0, 1))
    weight = torch.randint(0, 3, shape, generator=generator).float() * mask
    names: dict[str, Any] = {}
    stored = csr_form({"w": weight, "b": weight}, {"w": mask})
    exec(CSR, names)
    names["load_file"] = lambda file: dict(stored)
    read = names["load_csr"]("file")
    assert torch.equal(read["w"], weight)
    assert torch.equal(read["b"], weight)
    stored["w.values"] = torch.ones_like(stored["w.values"])
    assert torch.equal(names["load_csr"]("file")["w"], mask.float())
