"""The decoder for token sequences: names, published sizes, what it sees, kinds of attention."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lottery.models import Transformer
from lottery.models.state import read_state, write_state
from lottery.tensors import digest

KINDS = ["split", "multihead"]
POSITIONS, VOCABULARY, WIDTH = 6, 11, 12
SMALL: dict[str, Any] = {
    "depth": 2,
    "heads": 3,
    "width": WIDTH,
    "attention": "split",
    "tied": False,
    "last_only": False,
    "dropout": 0,
}


def _arguments(vocabulary: int, changed: dict[str, Any]) -> dict[str, Any]:
    return SMALL | {"num_tokens": vocabulary} | changed


def _decoder(**changed: Any) -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer((POSITIONS,), VOCABULARY, **_arguments(VOCABULARY, changed))


def _on_meta(positions: int, vocabulary: int, **changed: Any) -> Transformer:
    with torch.device("meta"):
        return Transformer((positions,), vocabulary, **_arguments(vocabulary, changed))


def _random(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)


def _tokens(batch: int = 4, positions: int = POSITIONS) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(VOCABULARY, (batch, positions), generator=generator)


def _num_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("attention", KINDS)
def test_gpt_2_small_has_its_number_of_parameters(attention: str) -> None:
    """As Hugging Face's GPT2LMHeadModel counts them."""
    sizes = {"depth": 12, "heads": 12, "width": 768}
    network = _on_meta(1_024, 50_257, attention=attention, tied=True, **sizes)
    assert _num_parameters(network) == 124_439_808


def test_the_default_size_is_that_of_the_grokking_paper() -> None:
    """Power et al. 2022: "about 4 * 10^5 non-embedding parameters"."""
    network = _on_meta(5, 99, depth=2, heads=4, width=128)
    outside = 99 * 128 + 5 * 128 + 128 * 99  # embeddings of tokens and positions, output
    assert _num_parameters(network) - outside == 396_800


BLOCK_0 = {
    "norm1.weight": (12,),
    "norm1.bias": (12,),
    "norm2.weight": (12,),
    "norm2.bias": (12,),
    "fc1.weight": (48, 12),
    "fc1.bias": (48,),
    "fc2.weight": (12, 48),
    "fc2.bias": (12,),
    "attention.out_proj.weight": (12, 12),
    "attention.out_proj.bias": (12,),
}
ATTENTION = {
    "split": {
        "attention.q_proj.weight": (12, 12),
        "attention.q_proj.bias": (12,),
        "attention.k_proj.weight": (12, 12),
        "attention.k_proj.bias": (12,),
        "attention.v_proj.weight": (12, 12),
        "attention.v_proj.bias": (12,),
    },
    "multihead": {"attention.in_proj_weight": (36, 12), "attention.in_proj_bias": (36,)},
}


@pytest.mark.parametrize("attention", KINDS)
def test_names_and_shapes(attention: str) -> None:
    state = _on_meta(POSITIONS, VOCABULARY, depth=1, attention=attention).state_dict()
    block = BLOCK_0 | ATTENTION[attention]
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "embedding.weight": (11, 12),
        "positions.weight": (6, 12),
        **{f"blocks.0.{name}": shape for name, shape in block.items()},
        "norm.weight": (12,),
        "norm.bias": (12,),
        "output.weight": (11, 12),
    }


@pytest.mark.parametrize("attention", KINDS)
def test_each_position_has_logits_of_the_vocabulary(attention: str) -> None:
    network = _on_meta(POSITIONS, VOCABULARY, attention=attention)
    for positions in (POSITIONS, 2):
        tokens = torch.zeros(3, positions, dtype=torch.long, device="meta")
        assert network(tokens).shape == (3, positions, VOCABULARY)


def test_the_last_position_alone_for_a_class_of_the_whole_sequence() -> None:
    every, last = (_decoder(last_only=value, num_tokens=13) for value in (False, True))
    assert every.embedding.weight.shape == (13, WIDTH)
    assert every.output.weight.shape == (VOCABULARY, WIDTH)
    torch.testing.assert_close(last(_tokens()), every(_tokens())[:, -1])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("attention", KINDS)
def test_a_position_sees_only_itself_and_those_before_it(attention: str, training: bool) -> None:
    network = _decoder(attention=attention).train(training)
    _random(network)
    tokens = _tokens()
    changed = tokens.clone()
    changed[:, 3] = (tokens[:, 3] + 1) % VOCABULARY
    with torch.set_grad_enabled(training):  # without gradients torch may take another way
        before, after = network(tokens), network(changed)
        shorter = network(tokens[:, :3])
    torch.testing.assert_close(after[:, :3], before[:, :3])
    torch.testing.assert_close(shorter, before[:, :3])
    assert ((after - before).abs().amax(-1) > 1e-4)[:, 3:].all()


def _split_from_multihead(multihead: Transformer) -> Transformer:
    state = multihead.state_dict()
    for name in list(state):
        if "in_proj_" in name:
            for part, tensor in zip("qkv", state.pop(name).chunk(3), strict=True):
                state[name.replace("in_proj_", f"{part}_proj.")] = tensor
    network = _decoder(attention="split")
    network.load_state_dict(state, strict=True)
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_kinds_of_attention_compute_the_same(dtype: torch.dtype) -> None:
    multihead = _decoder(attention="multihead").to(dtype)
    _random(multihead)
    split = _split_from_multihead(multihead).to(dtype)
    logits = multihead(_tokens())
    assert logits.dtype == dtype
    torch.testing.assert_close(split(_tokens()), logits)
    with torch.no_grad():
        torch.testing.assert_close(multihead.eval()(_tokens()), logits)


def test_a_block_is_torchs_encoder_layer_under_a_causal_mask() -> None:
    network = _decoder(attention="multihead", depth=1)
    _random(network)
    (block,) = network.blocks
    layer = nn.TransformerEncoderLayer(
        WIDTH,
        nhead=3,
        dim_feedforward=4 * WIDTH,
        dropout=0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    names = {"attention": "self_attn", "fc1": "linear1", "fc2": "linear2"}
    mapped = {}
    for name, tensor in block.state_dict().items():
        module, _, rest = name.partition(".")
        mapped[f"{names.get(module, module)}.{rest}"] = tensor
    layer.load_state_dict(mapped, strict=True)
    tokens = _tokens()
    hidden = network.embedding(tokens) + network.positions.weight
    mask = nn.Transformer.generate_square_subsequent_mask(POSITIONS)
    hidden = layer(hidden, src_mask=mask, is_causal=True)
    torch.testing.assert_close(network(tokens), network.output(network.norm(hidden)))


@pytest.mark.parametrize("attention", KINDS)
def test_initial_weights_are_gpt_2s(attention: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"depth": 8, "heads": 4, "width": 96, "attention": attention}
        network = Transformer((64,), 200, **_arguments(200, sizes))
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            into_the_sum = name.endswith(("out_proj.weight", "fc2.weight"))
            std = 0.02 / 4 if into_the_sum else 0.02
            assert parameter.std().item() == pytest.approx(std, rel=0.06), name
        else:
            assert parameter.unique().tolist() == [1.0 if ".weight" in name else 0.0], name


@pytest.mark.parametrize("attention", KINDS)
def test_a_tied_embedding_is_one_weight(attention: str) -> None:
    tied = _decoder(tied=True, attention=attention)
    assert tied.output.weight is tied.embedding.weight
    assert _num_parameters(_decoder(attention=attention)) == (
        _num_parameters(tied) + VOCABULARY * WIDTH
    )
    network = _decoder(tied=True, attention=attention)
    _random(network)
    write_state(tied, read_state(network))
    assert digest(tied.state_dict()) == digest(network.state_dict())
    assert torch.equal(tied(_tokens()), network(_tokens()))


@pytest.mark.parametrize("attention", KINDS)
def test_dropout_is_in_training_only_and_0_draws_nothing(attention: str) -> None:
    before = torch.get_rng_state()
    _decoder(attention=attention).train()(_tokens())
    assert torch.equal(torch.get_rng_state(), before)
    network = _decoder(attention=attention, dropout=0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(network(_tokens()), network(_tokens()))
        network.eval()
        assert torch.equal(network(_tokens()), network(_tokens()))


@pytest.mark.parametrize("attention", KINDS)
def test_it_learns_to_repeat_the_token_before(attention: str) -> None:
    network = _decoder(attention=attention, tied=True, width=24)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    tokens = _tokens(batch=64)
    losses = []
    for _ in range(60):
        logits = network(tokens)[:, 1:]
        losses.append(nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, :-1].flatten()))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 2
    assert losses[-1] < 0.1


@pytest.mark.parametrize(
    ("shape", "changed", "message"),
    [
        ((3, 8, 8), {}, r"input_shape=\(3, 8, 8\): \(positions,\), of a dataset of tokens"),
        (
            (6,),
            {"num_tokens": None},
            r"input_shape=\(6,\): \(positions,\), of a dataset of tokens",
        ),
        ((6,), {"num_tokens": 13, "tied": True}, "tied=true: false for 13 tokens and 11 classes"),
        ((6,), {"last_only": None}, "last_only=null: true or false"),
        ((6,), {"depth": 0}, "depth=0: a whole number from 1"),
        ((6,), {"heads": 5}, "heads=5: a divisor of width=12"),
        ((6,), {"width": 1.5}, "width=1.5: a whole number >= 1"),
        ((6,), {"attention": "torch"}, "attention=torch: split or multihead"),
        ((6,), {"tied": 1}, "tied=1: true or false"),
        ((6,), {"dropout": -1}, "dropout=-1: a number >= 0 and below 1"),
    ],
)
def test_other_values_are_refused(
    shape: tuple[int, ...], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Transformer(shape, VOCABULARY, **_arguments(VOCABULARY, changed))
