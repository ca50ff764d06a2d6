"""Layers of every kind from the command to the ticket: masks, counts, what is never pruned."""

import json

import pytest
import torch

from lottery import load_run, load_ticket
from lottery.config.run_key import canonical
from lottery.record.opened_run import open_run
from lottery.record.records import read_record, write_record
from lottery.record.run_dir import RunDir
from lottery.tensors import load_tensors, save_tensors
from lottery.ticket.extract import take_out
from tests.conftest import TINY, Done, Lottery
from tests.helpers.experiments import composed
from tests.helpers.layer_numbers import LAYER_NETWORKS
from tests.helpers.refused import assert_one_line

RUN = ("scope=global", "optimizer.clip_norm=1", *TINY)


@pytest.mark.parametrize("name", LAYER_NETWORKS)
def test_a_run_and_its_ticket(lottery: Lottery, name: str) -> None:
    numbers = LAYER_NETWORKS[name]
    done = lottery(*numbers.overrides, *RUN)
    if numbers.refused:
        assert_one_line(done, "model._target_", numbers.refused)
        return
    assert done.code == 0, done.err
    run = load_run(done.run)
    layers = run.layers.set_index(["round", "layer"])
    total = sum(numbers.weights.values())
    for number in (0, 1):
        masks, final = run.masks(number), run.weights(number, "final")
        counts = layers.loc[number]
        assert counts["weights"].to_dict() == numbers.weights
        assert counts["remaining"].to_dict() == {n: int(mask.sum()) for n, mask in masks.items()}
        assert counts["flops"].to_dict() == numbers.flops
        assert counts["live_zeros"].sum() == 0
        for weight, mask in masks.items():
            assert not final[weight][~mask].any()
            assert final[weight][mask].all()
    row = run.results.iloc[1]
    assert row["remaining"] * total == total - round(0.2 * total)
    assert row["params"] == total + sum(numbers.outside.values())
    assert row["flops_remaining"] < row["flops"] == sum(numbers.flops.values())
    assert json.loads((done.run / "run.json").read_text())["outside"] == numbers.outside
    _check_ticket(done)


def _check_ticket(done: Done) -> None:
    take_out(open_run(done.run), 1, trust_code=True)
    network, inputs = load_ticket(done.run, trust_code=True), torch.rand(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(inputs), load_run(done.run).model(1, trust_code=True)(inputs))


@pytest.mark.parametrize("name", ["attention", "LSTM", "tied embedding"])
@pytest.mark.parametrize(
    "method",
    [
        "criterion=snip pruning.at=init",
        "criterion=grasp pruning.at=init",
        "criterion=synflow pruning.at=init criterion.iterations=3",
        "reinit=sign",
        "reinit=random",
        "pruning.units=l1 scope=layerwise",
        "early_bird.epsilon=0.1",
    ],
)
def test_methods_hold_for_them(lottery: Lottery, name: str, method: str) -> None:
    done = lottery(*LAYER_NETWORKS[name].overrides, *RUN, *method.split())
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert run.results["remaining"][1] < 0.9
    for weight, mask in run.masks(1).items():
        assert not run.weights(1, "final")[weight][~mask].any()


def test_units_of_a_transposed_convolution_are_refused(lottery: Lottery) -> None:
    done = lottery(*LAYER_NETWORKS["transposed convolution"].overrides, "pruning.units=l1")
    assert done.code == 2
    assert "pruning.units=l1: up.weight: the rows of a transposed convolution" in done.err


def test_a_tied_output_layer_keeps_its_outputs(lottery: Lottery) -> None:
    """Its weight comes first, as that of the embedding; the classes are its rows."""
    overrides = [*LAYER_NETWORKS["tied embedding"].overrides, "pruning.units=l1"]
    done = lottery(*overrides, *TINY)
    assert done.code == 0, done.err
    assert "embedding.weight keeps all of its outputs" in done.err
    assert list(load_run(done.run).masks(1)) == ["fc.weight"]


def test_dry_run_names_what_is_never_pruned(lottery: Lottery) -> None:
    overrides = LAYER_NETWORKS["bare parameters"].overrides[:2]
    done = lottery(*overrides, "dry_run=true")
    assert (
        "88.0 % of the parameters are never pruned: mix.weight 76.5 %, heads 7.2 %, biases 3.2 %, "
        "scale 1.2 %" in done.out + done.err
    )


def test_copied_masks_hold_what_the_trunk_took_in(lottery: Lottery) -> None:
    numbers = LAYER_NETWORKS["bare parameters"]
    trunk = lottery(*numbers.overrides, *RUN)
    copied = lottery(*numbers.overrides[:2], *RUN, "criterion=copy", f"criterion.run={trunk.run}")
    assert copied.code == 0, copied.err
    theirs, ours = load_run(trunk.run).masks(1), load_run(copied.run).masks(1)
    assert ours.keys() == numbers.weights.keys()
    assert all(torch.equal(mask, theirs[name]) for name, mask in ours.items())


def test_without_also_the_key_is_that_of_an_older_run() -> None:
    assert "pruning.also" not in canonical(composed())
    assert canonical(composed("pruning.also=[fc1.bias]"))["pruning.also"] == ["fc1.bias"]


def test_a_run_that_began_with_fewer_masks_is_refused(lottery: Lottery) -> None:
    """Version 0.1 had no masks for attention's queries, keys and values."""
    overrides = [*LAYER_NETWORKS["attention"].overrides, *RUN]
    begun = lottery(*overrides)
    _forget(RunDir(begun.run), "attention.in_proj_weight")
    again = lottery(*overrides, "rounds=2")
    assert again.code == 2
    assert "began without masks of attention.in_proj_weight, which this version" in again.err
    assert lottery(*overrides).code == 0  # a finished run is shown


def _forget(run_dir: RunDir, name: str) -> None:
    """Make a run one that had no mask for a weight."""
    for number in (0, 1):
        folder = run_dir.round(number)
        masks = load_tensors(folder.masks)
        masks.pop(name)
        save_tensors(folder.masks, masks)
        record = read_record(folder)
        record["layers"].pop(name)
        write_record(run_dir, record)
