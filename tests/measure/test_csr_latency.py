"""Networks in CSR give the same outputs, and are timed where they can be faster."""

import pytest
import torch
from torch import nn

from lottery.data import Split
from lottery.measure.csr_latency import inference_csr_ms, with_csr
from lottery.models import LeNet5, LeNet300100
from tests.helpers.layer_numbers import LAYER_NETWORKS


def _pruned(network: nn.Module, share: float) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= torch.rand(layer.weight.shape, generator=generator) < share
    return network.eval()


@pytest.mark.parametrize("make", [LeNet300100, LeNet5])
def test_outputs_are_those_of_the_dense_network(make: type[nn.Module]) -> None:
    network = _pruned(make((1, 28, 28), 10), 0.1)
    inputs = torch.rand(7, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        assert torch.allclose(with_csr(network)(inputs), network(inputs), atol=1e-6)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_inputs_of_more_dimensions_and_no_bias() -> None:
    network = _pruned(nn.Sequential(nn.Linear(6, 4, bias=False)), 0.5)
    inputs = torch.rand(2, 3, 6)
    with torch.no_grad():
        assert torch.allclose(with_csr(network)(inputs), network(inputs), atol=1e-6)


def test_it_is_timed_where_it_can_pay() -> None:
    split = Split(torch.rand(120, 1, 28, 28), torch.zeros(120, dtype=torch.long))
    sparse = inference_csr_ms(_pruned(LeNet300100((1, 28, 28), 10), 0.1), split)
    assert sparse is not None
    assert sparse > 0
    assert inference_csr_ms(LeNet300100((1, 28, 28), 10), split) is None
    assert inference_csr_ms(nn.Sequential(nn.Flatten()), split) is None


def test_where_it_is_not_supported_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(torch.sparse, "mm", refuse)
    split = Split(torch.rand(120, 1, 28, 28), torch.zeros(120, dtype=torch.long))
    assert inference_csr_ms(_pruned(LeNet300100((1, 28, 28), 10), 0.1), split) is None


def test_attention_and_embeddings_stay_dense() -> None:
    for name in ("attention", "tied embedding"):
        network = _pruned(LAYER_NETWORKS[name].make(), 0.1)
        inputs = torch.rand(7, 1, 8, 8)
        with torch.no_grad():
            assert torch.allclose(with_csr(network)(inputs), network(inputs), atol=1e-6)
        split = Split(torch.rand(120, 1, 8, 8), torch.zeros(120, dtype=torch.long))
        assert inference_csr_ms(network, split) is not None
