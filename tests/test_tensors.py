"""Named tensors: files return the same bits, digests depend on them, copies share nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lottery.pruning import IN_ALL, Global
from lottery.tensors import Tensors, copy_to_cpu, digest, load_tensors, save_tensors

TENSORS: dict[str, Tensor] = {
    "float32": torch.tensor([1.5, -0.0, float("nan"), float("inf"), 1e-45]),
    "float64": torch.tensor([1 / 3], dtype=torch.float64),
    "bfloat16": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "bool": torch.tensor([[True, False], [False, True]]),
    "int64": torch.tensor(7),  # BatchNorm's count has no dimension
    "empty": torch.zeros(0, 3),
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "every other": torch.arange(6)[::2],
    "expanded": torch.ones(1).expand(4),
}


def test_a_file_gives_back_names_types_shapes_and_bits(tmp_path: Path) -> None:
    path = tmp_path / "new" / "t.safetensors"
    save_tensors(path, TENSORS)
    loaded = load_tensors(path)
    assert loaded.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert digest({"": loaded[name]}) == digest({"": tensor}), name
    assert [file.name for file in path.parent.iterdir()] == ["t.safetensors"]


def test_parameters_can_be_saved(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    save_tensors(tmp_path / "t.safetensors", dict(layer.named_parameters()))
    assert torch.equal(load_tensors(tmp_path / "t.safetensors")["weight"], layer.weight)


def test_masks_of_a_global_scope_can_be_saved(tmp_path: Path) -> None:
    """They are parts of one tensor."""
    scores = {"a": torch.tensor([[3.0, 1.0]]), "b": torch.tensor([2.0, 0.0, 4.0])}
    masks = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    save_tensors(tmp_path / "t.safetensors", Global()(scores, masks, {IN_ALL: 3}))
    loaded = load_tensors(tmp_path / "t.safetensors")
    assert loaded["a"].tolist() == [[True, False]]
    assert loaded["b"].tolist() == [True, False, True]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"w": torch.ones(2)})
    sparse = torch.eye(2).to_sparse()
    with pytest.raises((ValueError, RuntimeError)):
        save_tensors(path, {"w": sparse})
    assert load_tensors(path)["w"].tolist() == [1.0, 1.0]
    assert [file.name for file in tmp_path.iterdir()] == ["t.safetensors"]


def _plain() -> Tensors:
    return {"a": torch.tensor([[1.0, 2.0], [3.0, 0.0]]), "b": torch.tensor([1])}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["a"].__setitem__((0, 0), torch.nextafter(t["a"][0, 0], torch.tensor(9.0))),
        lambda t: t["a"].__setitem__((1, 1), -0.0),
        lambda t: t.update(a=t["a"].reshape(4)),
        lambda t: t.update(a=t["a"].reshape(4, 1)),
        lambda t: t.update(a=t["a"].double()),
        lambda t: t.update(a=t["a"].view(torch.int32)),  # the same bytes
        lambda t: t.update(c=t.pop("b")),
        lambda t: t.pop("b"),
        lambda t: t.update(c=torch.zeros(0)),
    ],
    ids=["bit", "sign", "flat", "column", "double", "int32", "renamed", "missing", "extra"],
)
def test_a_digest_sees_every_change(change: Callable[[Tensors], object]) -> None:
    tensors = _plain()
    assert digest(tensors) == digest(_plain())
    change(tensors)
    assert digest(tensors) != digest(_plain())


def test_a_digest_sees_exchanged_tensors() -> None:
    a, b = torch.tensor([1.0]), torch.tensor([2.0])
    assert digest({"a": a, "b": b}) != digest({"a": b, "b": a})


def test_a_digest_does_not_depend_on_order_of_names_nor_memory_layout() -> None:
    plain = _plain()
    assert digest(dict(reversed(plain.items()))) == digest(plain)
    column_major = plain["a"].t().contiguous().t()
    assert not column_major.is_contiguous()
    assert digest({**plain, "a": column_major}) == digest(plain)
    assert digest({**plain, "a": nn.Parameter(plain["a"])}) == digest(plain)


def test_a_pinned_digest() -> None:
    """Every start compares digests of finished runs with ours."""
    assert digest(_plain()) == "215b1f85a55c024d8880f26d5d95ab570526f4f9e644e1b83a50224f631fec26"


def test_copies_share_nothing_and_need_no_gradient() -> None:
    weight = nn.Parameter(torch.ones(3))
    copy = copy_to_cpu({"w": weight})["w"]
    assert not copy.requires_grad
    with torch.no_grad():
        weight.fill_(2.0)
    assert copy.tolist() == [1.0, 1.0, 1.0]
    copy.fill_(3.0)
    assert weight.tolist() == [2.0, 2.0, 2.0]
