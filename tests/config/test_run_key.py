"""The key: equal for what gives equal results, wherever it came from, and different otherwise."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from lottery.config import run_key
from lottery.config.run_key import canonical
from tests.helpers.experiments import composed, key_of, name_of, path_of

SHUFFLED = ("criterion=copy", "criterion.run=outputs/trunk-1234abcd/seed_0")


@pytest.mark.parametrize(
    ("some", "others"),
    [
        (["iterations=1000"], ["iterations=1000it"]),
        (["iterations=1000"], []),
        (["pruning.rate=0.2"], []),
        (["pruning.rate=0.20"], ["pruning.rate=2e-1"]),
        (["evaluation.every=100it"], ["evaluation.every=100"]),
        (["reinit.to=0"], ["reinit.to=0it"]),
        (
            ["reinit=finetune", "reinit.steps=10"],
            ["reinit=finetune", "reinit.steps=10it"],
        ),
        (["scheduler=step_drops"], ["scheduler=step_drops", "scheduler.at=[500,750]"]),
        (["scheduler=warmup"], ["scheduler=warmup", "scheduler.steps=100"]),
        (["optimizer.weight_decay=0"], ["optimizer.weight_decay=0.0"]),
        (["optimizer.lr=1"], ["optimizer.lr=1.0"]),
        (["optimizer.betas=[0,0.999]"], ["optimizer.betas=[0.0,0.999]"]),
        (["pruning.rates=[{fc1*: 0}]"], ["pruning.rates=[{fc1*: 0.0}]"]),
        (["optimizer.decay_norms=true"], []),
        (["task=classification", "task.label_smoothing=0.0", "task.class_weights=null"], []),
        (["scheduler=cosine", "scheduler.final=0.0"], ["scheduler=cosine"]),
        (
            ["scheduler=linear_warmup_cosine", "scheduler.steps=100"],
            ["scheduler=linear_warmup_cosine"],
        ),
        (["optimizer=sgd", "rounds=3"], ["rounds=3", "optimizer=sgd"]),
        (["seeds.init=3", "seeds.order=4"], ["seeds.order=4", "seeds.init=3"]),
        (["criterion=large_final"], ["criterion=magnitude"]),
        (["criterion=random", "pruning.at=init"], ["criterion=random"]),
        (["pruning.at=trained", "pruning.units=none"], []),
        (["optimizer=adam"], ["optimizer.lr=0.0012", "optimizer.fused=true"]),
        ([], ["dataset.subsample=1.0", "dataset.random_labels=0.0"]),
        ([], ["model.init_from=null", "model.init=null", "model.init_norms=null"]),
        ([], ["dataset.val_share=null", "scope.ties=index"]),
        ([], ["dynamic=none"]),
        (["dynamic=gmp"], ["dynamic=gmp", "dynamic.restart=false"]),
        (["dynamic=rigl"], ["dynamic=rigl", "dynamic.every=100it", "dynamic.end=0.750"]),
        (["model.init_from=weights.pth"], ["model.init_from=elsewhere/weights.pth"]),
    ],
)
def test_one_value_in_two_spellings_is_one_run(some: list[str], others: list[str]) -> None:
    assert path_of(*some) == path_of(*others)


@pytest.mark.parametrize(
    "override",
    [
        "rounds=3",
        "pruning.target_sparsity=0.5",
        "output_dir=elsewhere",
        "keep=winner",
        "adopt=false",
        "dry_run=true",
        "trainer=cpu",
        "trainer.threads=1",
        "trainer.block=1",
        "trainer.compile=true",
        "trainer.deterministic=false",
        "trainer.benchmark=true",
        "trainer.data_on_gpu=false",
        "trainer.interface=eth0",
        "trainer.tf32=false",
        "trainer.graph=false",
        "trainer.devices=2",
        "hydra.run.dir=elsewhere",
        "seed=7",
    ],
)
def test_what_changes_no_result_is_not_in_the_key(override: str) -> None:
    assert key_of(override) == key_of()


def test_seed_names_the_folder_below() -> None:
    assert path_of("seed=7") == Path.cwd() / "outputs" / name_of() / "seed_7"


def test_whatever_changes_a_result_has_a_key_of_its_own() -> None:
    changes = [
        [],
        ["seeds.init=0"],
        ["seeds.order=0"],
        ["seeds.augmentation=0"],
        ["seeds.pruning=0"],
        ["iterations=1001"],
        ["pruning.rate=0.25"],
        ["pruning.rates=[]"],
        ["pruning.only=[fc*]"],
        ["pruning.exclude=[fc1*]"],
        ["pruning.also=[fc1.bias]"],
        ["pruning.one_shot=2"],
        ["evaluation.every=50"],
        ["evaluation.test_curve=true"],
        ["early_stopping.patience=3"],
        ["early_bird.epsilon=0.1"],
        ["dataset.batch_size=30"],
        ["dataset.split_seed=1"],
        ["dataset.order=fixed"],
        ["dataset.subsample=0.5"],
        ["dataset.random_labels=0.5"],
        ["dataset.val_share=0"],
        ["dataset.val_share=0.2"],
        ["dataset.shuffle_pixels=true"],
        ["criterion=random"],
        ["criterion=snip", "criterion.iterations=2"],
        ["criterion=snip", "criterion.mode=eval"],
        ["criterion=snip", "criterion.inverted=true"],
        ["criterion.inverted=true"],
        ["criterion=snip", "criterion.sampling=per_class"],
        ["criterion=snip", "criterion.batch_size=auto"],
        ["pruning.at=init"],
        ["pruning.units=l1"],
        ["scope=global"],
        ["scope=erk"],
        ["scope.ties=random"],
        ["reinit=random", "reinit.draw=1"],
        ["reinit=none"],
        ["reinit=sign"],
        ["reinit=lr_rewind"],
        ["reinit=lr_rewind", "reinit.keep_optimizer=true"],
        ["reinit=finetune"],
        ["reinit=finetune", "reinit.steps=10"],
        ["reinit.to=10"],
        ["reinit.optimizer_state=restored"],
        ["optimizer.lr=0.001"],
        ["optimizer.clip_norm=1"],
        ["optimizer.betas=[0.8,0.999]"],
        ["optimizer.decay_norms=false"],
        ["optimizer=adamw"],
        ["optimizer=sgd", "optimizer.nesterov=true"],
        ["scheduler=warmup"],
        ["scheduler=cosine"],
        ["scheduler=cosine", "scheduler.final=0.1"],
        ["scheduler=linear_warmup_cosine"],
        ["scheduler=one_cycle"],
        ["scheduler=plateau"],
        ["scheduler=plateau", "scheduler.patience=3"],
        ["scheduler=triangular"],
        ["scheduler=warmup", "scheduler.at=[500]"],
        *[[f"dynamic={name}"] for name in ("static", "set", "rigl", "gmp", "acdc")],
        ["dynamic=gmp", "dynamic.restart=true"],
        ["dynamic=acdc", "dynamic.phase=0.1"],
        ["dynamic=rigl", "dynamic.every=50"],
        ["dynamic=rigl", "dynamic.every=1ep"],
        ["dynamic=rigl", "dynamic.fraction=0.1"],
        ["model.loss=multi_margin_loss"],
        ["model.loss=binary_cross_entropy"],
        ["task=binary"],
        ["task=regression"],
        ["task.label_smoothing=0.1"],
        ["task.class_weights=balanced"],
        ["+task.metrics.auroc._target_=torchmetrics.AUROC"],
        ["model.rates=[]"],
        ["model.init_from=weights.pth"],
        ["model.init_from=other.pth"],
        ["model.init=kaiming_normal"],
        ["model.init=kaiming_uniform"],
        ["model.init_norms=uniform"],
        ["trainer.precision=64-true"],
        ["trainer.tf32=true"],
        ["trainer.sync_batchnorm=false"],
        ["trainer.sync_batchnorm=false", "trainer.devices=2"],
        ["trainer.sync_batchnorm=false", "trainer.devices=2", "trainer.num_nodes=2"],
        [*SHUFFLED],
        [*SHUFFLED, "criterion.shuffle=layerwise"],
        [*SHUFFLED, "criterion.run=outputs/trunk-ffffffff/seed_0"],
    ]
    keys = {" ".join(change): key_of(*change) for change in changes}
    for (one, key), (other, other_key) in combinations(keys.items(), 2):
        assert key != other_key, f"{one!r} and {other!r}"


def test_keys_of_old_runs_last() -> None:
    """These may never change: results in people's folders are found again by them."""
    assert name_of() == "digits-lenet_300_100-magnitude-0.2-layerwise-rewind-7ddbfee8"
    assert (
        name_of("scope=global", "reinit=random", "pruning.rate=0.5", "seeds.order=3")
        == "digits-lenet_300_100-magnitude-0.5-global-random-4065cbd2"
    )
    assert (
        name_of(*SHUFFLED, "optimizer=sgd", "scheduler=warmup")
        == "digits-lenet_300_100-copy-none-none-rewind-f367c798"
    )
    assert (
        name_of("dynamic=gmp")
        == "digits-lenet_300_100-magnitude+gmp-0.2-layerwise-rewind-c27e55b7"
    )


def test_keys_of_old_runs_on_image_folders_last() -> None:
    """As before there was `dataset.augment`, and before there were other datasets with files."""
    assert key_of("dataset=image_folder") == "97eb5238"
    assert key_of("dataset=image_folder", "dataset.augment=flip") != "97eb5238"
    assert key_of("dataset=cifar10") == "781865da"
    assert key_of("dataset=cifar10", "dataset.augment=true") == "85586c96"


def test_an_option_added_later_leaves_old_keys_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    old = key_of()
    assert key_of("+model.dropout=0") != old
    monkeypatch.setattr(run_key, "ADDED_LATER", run_key.ADDED_LATER | {"model.dropout": 0})
    assert key_of("+model.dropout=0") == old
    assert key_of("+model.dropout=0.0") == old
    assert key_of("+model.dropout=0.5") != old


@pytest.mark.parametrize(
    "run",
    [
        "outputs/trunk-1234abcd/seed_0",
        "outputs/trunk-1234abcd/seed_0/",
        "outputs/trunk-1234abcd",
        "outputs/trunk-1234abcd/",
        "/absolute/trunk-1234abcd/seed_0",
        "trunk-1234abcd",
    ],
)
def test_a_trunk_enters_by_its_folders_name(run: str) -> None:
    copy = ("criterion=copy", f"criterion.run={run}")
    assert key_of(*copy) == key_of(*SHUFFLED)


def test_a_trunk_named_from_inside_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = tmp_path / "trunk-1234abcd" / "seed_0"
    trunk.mkdir(parents=True)
    for folder, run in ((trunk.parent, "seed_0"), (trunk.parent, "."), (trunk, "../seed_0")):
        monkeypatch.chdir(folder)
        assert key_of("criterion=copy", f"criterion.run={run}") == key_of(*SHUFFLED), run


@pytest.mark.parametrize(
    "override",
    ["pruning.rate=0.5", "pruning.exclude=[fc1*]", "scope=global", "criterion.rounds=[7]"],
)
def test_copied_masks_owe_nothing_to_this_runs_pruning(override: str) -> None:
    assert path_of(*SHUFFLED, override) == path_of(*SHUFFLED)


def test_what_has_no_effect_on_a_copy_is_none_in_its_name() -> None:
    expected = "digits-lenet_300_100-copy-none-none-random-"
    assert name_of(*SHUFFLED, "reinit=random", "scope=global").startswith(expected)


def test_a_dynamic_stands_in_the_name_beside_the_criterion() -> None:
    assert name_of("dynamic=gmp").startswith("digits-lenet_300_100-magnitude+gmp-0.2-layerwise-")
    own = ["criterion=random", "dynamic=none", "dynamic._target_=mine.Moves"]
    assert "-random+Moves-" in name_of(*own)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["dynamic=rigl"],
        ["optimizer=sgd", "seeds.init=3"],
        ["pruning.rates=[{fc1*: 0.1}]"],
        ["pruning.rate='a=b/c d'"],
        [*SHUFFLED],
        ["criterion=copy", "criterion.run='odd=name/seed_0'"],
    ],
)
def test_names_are_safe(overrides: list[str]) -> None:
    path = path_of(*overrides)
    assert re.fullmatch(r"[\w.+-]+", path.parent.name)
    assert path.parent.parent == Path.cwd() / "outputs"


def test_canonical_config_is_flat_and_plain() -> None:
    config = canonical(composed())
    assert config["pruning.rate"] == 0.2
    assert config["iterations"] == 1000
    assert list(config) == sorted(config)
    assert not any(key.startswith(("trainer.accelerator", "hydra")) for key in config)
