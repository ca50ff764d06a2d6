"""Criteria that differentiate the loss of a user's `training_step`."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lottery.generators import drawn
from lottery.masks import ones, prunable_weights
from lottery.models.state import read_state, write_state
from lottery.pruning import GradientMagnitude, Snip, Trained
from lottery.pruning.probe import differentiable, scoring
from lottery.tensors import digest
from lottery.training.native.probe import ModuleProbe, NoLoss
from tests.helpers.lit_modules import BATCH, EPOCH, LitClassifier, LitData, LitDecoder
from tests.helpers.ranks import CPUS


def _probe(kind: type[pl.LightningModule]) -> ModuleProbe:
    return ModuleProbe(
        network=drawn(kind, 5).double(),
        make_datamodule=lambda: LitData(tokens=kind is LitDecoder),
        split_seed=0,
        options={},
        device=CPUS,
        dtype=torch.float64,
    )


def _trained(kind: type[pl.LightningModule], seed: int = 0) -> Trained:
    """What a criterion sees; the probe's own weights are others."""
    network = drawn(kind, 1).double()
    state = read_state(network)
    weights = {key: state.weights[key] for key in prunable_weights(network)}
    generator = torch.Generator().manual_seed(seed)
    probe = _probe(kind)
    return Trained(1, weights, weights, ones(weights), generator, state, lambda _: probe)


def _loss(network: Any, batch: Any) -> Tensor:
    if isinstance(network, LitDecoder):
        tokens = batch[0]
        return cross_entropy(network(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    return cross_entropy(network(batch[0]), batch[1])


@pytest.mark.parametrize("kind", [LitClassifier, LitDecoder])
def test_snip_is_computed_from_the_loss_of_training_step(kind: type[pl.LightningModule]) -> None:
    trained = _trained(kind)
    scores = Snip(2, 1)(trained)
    generator = torch.Generator().manual_seed(0)
    network: nn.Module = drawn(kind, 9).double()
    write_state(network, trained.state)
    total = torch.zeros((), dtype=torch.float64)
    with scoring(network):
        for batch, _ in _probe(kind).batches(2, 1, generator):
            assert len(batch[0]) == BATCH
            total = total + _loss(network, batch) / 2
    total.backward()
    for key, weight in prunable_weights(network).items():
        assert weight.grad is not None
        expected = (weight * weight.grad).abs().detach()
        torch.testing.assert_close(scores[key], expected, rtol=1e-9, atol=1e-12)
        assert expected.any()


def test_equal_seeds_give_equal_scores_and_nothing_else_is_touched() -> None:
    trained = _trained(LitClassifier)
    before = digest(trained.state.weights | trained.state.buffers)
    generators = torch.get_rng_state()
    first = digest(GradientMagnitude(2, 1)(trained))
    assert torch.equal(torch.get_rng_state(), generators)
    assert digest(trained.state.weights | trained.state.buffers) == before
    assert digest(GradientMagnitude(2, 1)(_trained(LitClassifier))) == first
    assert digest(GradientMagnitude(2, 1)(_trained(LitClassifier, seed=1))) != first


class _Noise(LitClassifier):
    """A loss that draws random numbers, as denoising and contrastive ones do."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        noise = torch.randn_like(batch[0])
        loss = cross_entropy(self(batch[0] + noise), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        assert self.trainer.training
        return {"loss": loss}


class _NoLoss(LitClassifier):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return None


def test_a_batch_has_the_same_random_numbers_each_time() -> None:
    trained = _trained(_Noise)
    probe = trained.probe(torch.float64)
    batches = probe.batches(2, 1, trained.generator)
    weights = differentiable(probe, trained.weights)
    first, second = (
        [loss.item() for loss in probe.losses(trained.state, weights, batches)] for _ in range(2)
    )
    assert first == second
    assert first[0] != first[1]


def test_what_gives_no_loss_or_too_few_batches_is_refused() -> None:
    with pytest.raises(NoLoss, match=f"num_batches=5: the training data have {EPOCH}"):
        Snip(5, 1)(_trained(LitClassifier))
    with pytest.raises(NoLoss, match="training_step of _NoLoss returns NoneType without a loss"):
        Snip(1, 1)(_trained(_NoLoss))
