"""Inputs that are whole numbers (tokens) stay so, in splits, in training and in tickets."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lottery import load_run, load_ticket
from lottery.data import DataError, Scaling, Split, Splits
from lottery.measure.flops import make_counter
from tests.config.test_own_code import block_of_page
from tests.conftest import TINY, Done, Lottery
from tests.helpers.token_networks import TOKEN_MLP, TokenMLP

RUN = ("dataset=modular_addition", "dataset.p=7", "dataset.batch_size=10", *TOKEN_MLP)


def _splits(*inputs: torch.Tensor, num_tokens: int | None = None) -> Splits:
    parts = [Split(part, torch.tensor([0, 1])) for part in inputs]
    return Splits(*parts, num_classes=2, num_tokens=num_tokens)


TOKENS = torch.tensor([[0, 1, 4], [3, 2, 1]])


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.int64])
def test_whole_numbers_become_long_and_floats_the_networks_type(dtype: torch.dtype) -> None:
    for target in (torch.float32, torch.float64, torch.bfloat16):
        moved = _splits(*[TOKENS.to(dtype)] * 3).to("cpu", target)
        assert moved.val.batch(slice(2))[0].dtype == torch.long
        assert torch.equal(moved.val.inputs, TOKENS)
        assert moved.input_dtype == torch.long
        floats = _splits(*[TOKENS.float()] * 3).to("cpu", target)
        assert floats.val.inputs.dtype == target
        assert floats.input_dtype is None


def test_bytes_are_pixels_with_a_scaling_or_without() -> None:
    pixels = TOKENS.to(torch.uint8).reshape(2, 3, 1, 1)
    scaled = Split(pixels, torch.tensor([0, 1]), Scaling.of([0.0] * 3, [1.0] * 3))
    assert not scaled.has_tokens
    assert scaled.to("cpu", torch.float32).inputs.dtype == torch.uint8
    plain = Split(pixels, torch.tensor([0, 1]))
    assert not plain.has_tokens
    assert plain.to("cpu", torch.float32).inputs.dtype == torch.float32


def test_the_number_of_tokens_is_the_datasets_or_the_highest_plus_1() -> None:
    assert _splits(TOKENS, TOKENS + 2, TOKENS).with_num_tokens().num_tokens == 7
    assert _splits(TOKENS, TOKENS, TOKENS, num_tokens=9).with_num_tokens().num_tokens == 9
    assert _splits(*[TOKENS.float()] * 3).with_num_tokens().num_tokens is None


@pytest.mark.parametrize(
    ("splits", "line"),
    [
        (_splits(TOKENS, TOKENS - 1, TOKENS), "the val split has the token -1: 0 or above"),
        (
            _splits(TOKENS, TOKENS, TOKENS + 1, num_tokens=5),
            "the test split has the token 5: 0 to 4 expected",
        ),
        (_splits(TOKENS, TOKENS.float(), TOKENS), "the val split's inputs have another type"),
        (
            _splits(*[TOKENS.float()] * 3, num_tokens=5),
            "num_tokens=5, and the train split's inputs are torch.float32",
        ),
    ],
)
def test_tokens_that_no_embedding_has_are_refused(splits: Splits, line: str) -> None:
    with pytest.raises(DataError, match=line):
        splits.check()


def test_flops_of_a_network_of_tokens() -> None:
    network = TokenMLP((4,), num_classes=7, num_tokens=9, width=32)
    counts = make_counter(network, (4,), input_dtype=torch.long)({})
    assert counts["flops"] == 2 * (4 * 32 * 32 + 32 * 7)


USERS = """
from dataclasses import dataclass

import torch

from lottery.data import Split, Splits


@dataclass(frozen=True)
class Pairs:
    def load(self):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randint(5, (300, 2), generator=generator, dtype=torch.int32)
        targets = (inputs[:, 0] > inputs[:, 1]).long()
        parts = [Split(inputs[rows], targets[rows]) for rows in torch.arange(300).split(100)]
        return Splits(*parts, num_classes=2)
"""


def test_a_users_dataset_of_whole_numbers(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("pairs_of_tokens", USERS)
    done = lottery(
        *(*TINY, *TOKEN_MLP, "dataset._target_=pairs_of_tokens.Pairs", "logger=none"),
        *("iterations=100", "optimizer.lr=0.01"),
    )
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert run.model(1, trust_code=True).embedding.num_embeddings == 5
    assert run.results["test"][1] > 0.9


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ([*TOKEN_MLP, "dataset.p=six"], "dataset.p=six: a whole number from 2 to 1000"),
        ([*TOKEN_MLP, "criterion=synflow"], "criterion=synflow: runs the network on an input of"),
        (["model=lenet_300_100"], "does not fit the dataset's input shape (4,) of tokens 0 to 8:"),
        (["model=conv_2"], "model.input_shape=(4,): "),
        (["model=vgg_16_head"], "model: does not fit the dataset: "),
        (
            ["model._target_=tests.helpers.token_networks.ShortEmbedding", "model.rates=[]"],
            "does not fit the dataset's input shape (4,) of tokens 0 to 8: index out of range",
        ),
    ],
    ids=["argument", "synflow", "lenet", "conv", "frozen base", "short embedding"],
)
def test_what_does_not_fit_is_one_line(lottery: Lottery, overrides: list[str], line: str) -> None:
    done = lottery(*TINY, *RUN[:3], *overrides)
    assert done.code == 2
    assert line in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


def test_a_network_of_tokens_is_refused_for_images(lottery: Lottery) -> None:
    done = lottery(*TINY, *TOKEN_MLP)
    assert done.code == 2
    line = "error: model: TokenMLP: missing a required argument: 'num_tokens'"
    assert done.err.splitlines()[-1] == line


ONE_BATCH = ("criterion.num_batches=1", "criterion.batch_size=10", "pruning.at=init")


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=1"],
        ["trainer.precision=64-true"],
        ["dataset.limit=30"],
        ["criterion=snip", *ONE_BATCH],
        ["criterion=grasp", *ONE_BATCH],
    ],
    ids=lambda overrides: overrides[0],
)
def test_an_embedding_network_trains(lottery: Lottery, overrides: list[str]) -> None:
    done = lottery(*RUN, *TINY, "logger=none", *overrides)
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert run.model(1, trust_code=True).embedding.num_embeddings == 9  # whatever a limit has left
    assert run.results["flops"][0] == 2 * (4 * 32 * 32 + 32 * 7)


def test_the_readmes_network_of_tokens(
    lottery: Lottery, write_module: Callable[[str, str], Path]
) -> None:
    write_module("tokens", block_of_page("# tokens.py", "data.md"))
    own = ("dataset=modular_addition", "model._target_=tokens.TokenNet", "dataset.p=7")
    done = lottery(*TINY, *own, "dataset.batch_size=10", "logger=none")
    assert done.code == 0, done.err


def test_a_ticket_of_an_embedding_network_verifies(
    lottery: Lottery, ticket: Callable[..., Done]
) -> None:
    run = lottery(*RUN, *TINY, "logger=none").run
    done = ticket(run, "--trust-code")
    assert done.code == 0, done.err
    assert "PASS" in done.out
    assert load_ticket(run, trust_code=True)(torch.tensor([[1, 7, 2, 8]])).shape == (1, 7)
