"""Runs grouped into settings: their roles, their labels, their controls."""

from pathlib import Path
from typing import Any

import pytest

from lottery.report.read.controls import compare_with_controls
from lottery.report.read.groups import group_runs
from lottery.report.read.roles import role_of
from tests.helpers.toy_records import (
    ACDC,
    CHAINED,
    CONFIG,
    COPIED,
    GMP,
    RANDOM_PRUNING,
    RANDOM_REINIT,
    RANDOM_TICKET,
    RIGL,
    STATIC,
    TRUNK,
    toy_record,
)
from tests.helpers.toy_settings import COPY, FINETUNED, PRETRAINED, SNIP, settings_of


@pytest.mark.parametrize(
    ("canonical", "role"),
    [
        (CONFIG, "ticket"),
        (CONFIG | {"reinit.to": "0it"}, "ticket"),
        (CONFIG | {"reinit.to": "500it"}, "rewound to 500it"),
        (CONFIG | {"criterion._target_": "lottery.pruning.Random"}, "random pruning"),
        (CHAINED, "chained reinit"),
        (
            CHAINED | {"criterion._target_": "lottery.pruning.Random"},
            "random pruning, chained reinit",
        ),
        (CONFIG | {"reinit._target_": "lottery.reinit.Continue"}, "training continued"),
        (RANDOM_REINIT, "random reinit"),
        (RANDOM_TICKET, "random ticket"),
        (COPIED | {"criterion.shuffle": "global"}, "random ticket"),
        (COPIED, "copied masks"),
        (CONFIG | {"criterion._target_": "mine.Random"}, "mine.Random"),  # not ours
        (CONFIG | {"criterion._target_": "lottery.pruning.LargeInit"}, "large init"),
        (SNIP, "SNIP at init"),
        (CONFIG | {"criterion._target_": "lottery.pruning.EdgePopup"}, "edge-popup"),
        (SNIP | {"pruning.one_shot": 8}, "SNIP at init, one shot"),
        (SNIP | {"criterion._target_": "lottery.pruning.Random"}, "random pruning at init"),
        (CONFIG | {"pruning.at": "init"}, "magnitude at init"),
        (CONFIG | {"pruning.one_shot": 8}, "one-shot ticket"),
        (CONFIG | {"reinit._target_": "lottery.reinit.Finetune"}, "fine-tuning"),
        (FINETUNED, "copied masks, fine-tuning"),
        (RANDOM_REINIT | PRETRAINED, "random reinit, not pretrained"),
        (CHAINED | PRETRAINED, "chained reinit, not pretrained"),
        (CONFIG | PRETRAINED, "ticket"),
    ],
)
def test_roles(canonical: dict[str, Any], role: str) -> None:
    assert role_of(canonical) == role


@pytest.mark.parametrize(
    ("configs", "labels"),
    [
        ([CONFIG], ["ticket"]),
        ([CONFIG | {"pruning.rate": 0.1}, CONFIG], ["rate=0.1", "rate=0.2"]),
        (
            [CONFIG, CONFIG | {"scope._target_": "lottery.pruning.Global"}],
            ["layerwise", "global"],
        ),
        (
            [CONFIG, CONFIG | {"optimizer._target_": "torch.optim.SGD", "optimizer.lr": 0.1}],
            ["adam", "sgd"],  # each has its own lr, so lr is no difference
        ),
        (
            [CONFIG | {"optimizer.lr": 0.1}, CONFIG, CONFIG | {"pruning.rate": 0.1}],
            [
                "lr=0.1, rate=0.2",
                "lr=0.0012, rate=0.2",
                "lr=0.0012, rate=0.1",
            ],
        ),
        ([CONFIG, RANDOM_PRUNING], ["ticket", "random pruning"]),
        (
            [RANDOM_PRUNING | STATIC, RANDOM_PRUNING | RIGL, CONFIG | RIGL, CONFIG | GMP],
            [
                "static mask from random pruning",
                "RigL from random pruning",
                "RigL from magnitude pruning",
                "gradual pruning",
            ],
        ),
        (
            [RANDOM_PRUNING | RIGL, RANDOM_PRUNING | RIGL | {"dynamic.every": 50}],
            [f"RigL from random pruning, dynamic.every={every}" for every in (100, 50)],
        ),
        (
            [CONFIG | GMP, CONFIG | GMP | {"dynamic.restart": True}, CONFIG | ACDC],
            ["gradual pruning", "gradual pruning, learning rate restarted", "AC/DC"],
        ),
        # Chained reinit is not called a control
        (
            [CHAINED, CHAINED | {"pruning.rate": 0.1}],
            ["chained reinit, rate=0.2", "chained reinit, rate=0.1"],
        ),
        (
            [CONFIG | {"model.rates": []}, CONFIG],
            ["model.rates=[]", 'model.rates=[[["output*", "0.5x"]]]'],
        ),
    ],
)
def test_settings_are_named_by_what_differs(
    tmp_path: Path, configs: list[dict[str, Any]], labels: list[str]
) -> None:
    assert [setting.label for setting in settings_of(tmp_path, *configs)] == labels


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"pruning.one_shot": 8}, ["ticket", "one-shot ticket"]),
        ({"dataset.random_labels": 0.2}, ["ticket", "ticket, 20 % random labels"]),
        ({"pruning.rate": 0.1, "dataset.limit": 2000},
         ["rate=0.2", "rate=0.1, 2,000 examples"]),
        ({"pruning.at": "init"}, ["ticket", "magnitude at init"]),
        ({"scope._target_": "lottery.pruning.Erk"}, ["layerwise", "erk"]),
        (PRETRAINED, ["ticket", "ticket, round 0 from weights.pth"]),
    ],
)  # fmt: skip
def test_what_older_settings_do_not_have_is_named(
    tmp_path: Path, changes: dict[str, Any], labels: list[str]
) -> None:
    usual = CONFIG | {"pruning.one_shot": None}
    settings = settings_of(tmp_path, usual, usual | changes)
    assert [setting.label for setting in settings] == labels


def test_one_shots_are_named_by_the_rounds_they_stand_for(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, *(CONFIG | {"pruning.one_shot": k} for k in (None, 8, 12)))
    assert [setting.label for setting in settings] == [
        "ticket",
        "one-shot ticket, as 8 rounds",
        "one-shot ticket, as 12 rounds",
    ]


def test_copies_of_different_trunks_say_of_which(tmp_path: Path) -> None:
    other = TRUNK.replace("magnitude", "snip")
    folders = {
        TRUNK: CONFIG,
        other: SNIP,
        COPY: RANDOM_REINIT,
        COPY.replace("2" * 8, "4" * 8): RANDOM_REINIT | {"criterion.run": other},
    }
    runs = [toy_record(tmp_path / name / "seed_0", canonical=c) for name, c in folders.items()]
    settings, _ = group_runs(runs)
    assert [setting.label for setting in settings] == [
        "ticket",
        "random reinit, of ticket",
        "SNIP at init",
        "random reinit, of SNIP at init",
    ]
    pairs = [(pair.ticket.label, pair.control) for pair in compare_with_controls(settings)]
    assert pairs == [
        ("ticket", "random reinit, of ticket"),
        ("SNIP at init", "random reinit, of SNIP at init"),
    ]


def test_copies_are_named_by_their_trunks_pruning(tmp_path: Path) -> None:
    other = TRUNK.replace("0.2", "0.1")
    runs = [
        toy_record(tmp_path / TRUNK / "seed_0"),
        toy_record(tmp_path / other / "seed_0", canonical=CONFIG | {"pruning.rate": 0.1}),
        toy_record(tmp_path / COPY / "seed_0", canonical=RANDOM_REINIT),
        toy_record(
            tmp_path / COPY.replace("2" * 8, "4" * 8) / "seed_0",
            canonical=RANDOM_REINIT | {"criterion.run": other},
        ),
    ]
    assert [setting.label for setting in group_runs(runs)[0]] == [
        "ticket, rate=0.2",
        "random reinit, rate=0.2",
        "ticket, rate=0.1",
        "random reinit, rate=0.1",
    ]


def test_other_networks_and_datasets_are_named_by_their_options(tmp_path: Path) -> None:
    runs = [
        toy_record(
            tmp_path / f"{name}-magnitude-0.2-layerwise-rewind-00000000" / "seed_0", canonical=c
        )
        for name, c in (
            ("mnist-lenet_5", CONFIG | {"model.x": 1, "dataset.normalize": "none"}),
            ("digits-lenet_300_100", CONFIG),
        )
    ]
    assert [s.label for s in group_runs(runs)[0]] == ["mnist, lenet_5", "digits, lenet_300_100"]


def test_settings_that_differ_in_nothing_known_keep_their_keys(tmp_path: Path) -> None:
    one, other = settings_of(tmp_path, CONFIG, CONFIG | {"criterion.run": "whatever"})
    assert (one.label, other.label) == ("ticket (00000000)", "ticket (00000001)")


def test_seeds_make_one_setting_and_doubles_count_once(tmp_path: Path) -> None:
    runs = [toy_record(tmp_path / TRUNK / f"seed_{seed}") for seed in (1, 0)]
    more = toy_record(tmp_path / "copy" / TRUNK / "seed_1", tests=[0.9, 0.9, 0.9, 0.9])
    (setting,), problems = group_runs([*runs, more])
    assert [run.seed for run in setting.runs] == [0, 1]
    assert setting.runs[1] is more
    (line,) = problems
    assert f"{runs[0].path} is the same run as {more.path}" in line
