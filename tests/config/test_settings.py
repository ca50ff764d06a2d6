"""Settings: every key of ours has a rule and a meaning, is checked once, and has a type."""

import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import pytest

from lottery.config import ConfigError, groups
from lottery.config.groups import read_group
from lottery.config.rules import Rule
from lottery.config.run_key import ADDED_LATER
from lottery.config.settings import Settings, read_settings
from lottery.data import ImageFolder, Tabular
from lottery.dynamic import Gmp
from lottery.pruning import Snip
from lottery.record.durations import Duration
from lottery.reinit import LrRewind
from lottery.tasks import Classification
from tests.conftest import real_program
from tests.helpers.experiments import composed, settings_of

HINTS = get_type_hints(Settings, include_extras=True)
KINDS = {name: hint for name, hint in HINTS.items() if is_dataclass(hint)}
# groups without a `_target_`: every key is ours
FIXED = [name for name, kind in KINDS.items() if "node" not in get_type_hints(kind)]
COPY = ("criterion=copy", "criterion.run=outputs/trunk-1234abcd")


def _annotated(kind: Any) -> dict[str, tuple[Any, ...]]:
    """Rule and meaning of every key of a type."""
    hints = get_type_hints(kind, include_extras=True)
    return {n: h.__metadata__ for n, h in hints.items() if get_origin(h) is Annotated}


@pytest.mark.parametrize("kind", [Settings, groups.Copying, *KINDS.values()])
def test_every_key_has_a_rule_and_a_meaning(kind: Any) -> None:
    for name, (rule, meaning) in _annotated(kind).items():
        assert isinstance(rule, Rule), name
        assert rule.accepted, name
        assert len(meaning) > 5, name
        assert "\n" not in meaning, name
    untyped = {field.name for field in fields(kind)} - set(_annotated(kind)) - set(KINDS)
    assert untyped <= {"node", "copying", "config"}


def test_every_key_of_the_fixed_groups_in_conf_is_known_and_every_known_one_is_there() -> None:
    assert FIXED == [
        "seeds",
        "pruning",
        "evaluation",
        "early_stopping",
        "early_bird",
        "checkpoint",
        "trainer",
        "metrics",
    ]
    for name in FIXED:
        assert composed()[name].keys() == _annotated(KINDS[name]).keys()
    nodes = {"dataset", "model", "criterion", "scope", "optimizer", "task"}
    assert composed().keys() - {*_annotated(Settings), *FIXED} == nodes


def test_options_added_later_are_keys_of_ours() -> None:
    arguments = {  # whose class has them, not its group
        "criterion.mode": Snip,
        "criterion.sampling": Snip,
        "dataset.augment": ImageFolder,
        "dataset.numeric_target": Tabular,
        "dynamic.restart": Gmp,
        "reinit.keep_optimizer": LrRewind,
        "task.class_weights": Classification,
        "task.label_smoothing": Classification,
    }
    for key in ADDED_LATER.keys() - {"task._target_"}:
        group, _, name = key.partition(".")
        known = get_type_hints(arguments[key]) if key in arguments else _annotated(KINDS[group])
        assert name in known


def test_the_default_settings_have_types() -> None:
    settings = settings_of()
    assert settings.iterations == Duration(1000, "it")
    assert settings.evaluation.every.steps(20) == 100
    assert settings.pruning.rates is None
    assert settings.model.loss == "cross_entropy"
    assert settings.model.node == {"_target_": "lottery.models.LeNet300100"}
    assert settings.dataset.node == {"_target_": "lottery.data.Digits"}
    assert settings.optimizer.node["betas"] == [0.9, 0.999]
    assert settings.criterion.iterations == 1
    assert settings.copying is None


def test_settings_are_frozen_and_go_to_other_processes() -> None:
    settings = settings_of("seed=7")
    with pytest.raises(FrozenInstanceError):
        settings.seed = 8  # type: ignore[misc]
    assert settings.key
    again = pickle.loads(pickle.dumps(settings))
    assert (again.seed, again.key) == (7, settings.key)


@pytest.mark.parametrize(
    ("overrides", "rounds"),
    [
        (("rounds=3",), [0, 1, 2, 3]),
        (("rounds=0",), [0]),
        (("rounds=3", "pruning.one_shot=5"), [0, 1]),
        (("rounds=0", "pruning.one_shot=5"), [0]),
        ((*COPY, "rounds=3"), [0, 1, 2, 3]),
        ((*COPY, "rounds=3", "criterion.rounds=[7,5,7]"), [0, 5, 7]),
        ((*COPY, "rounds=3", "pruning.one_shot=5"), [0, 1, 2, 3]),
    ],
)
def test_rounds_to_do(overrides: tuple[str, ...], rounds: list[int]) -> None:
    assert settings_of(*overrides).rounds_to_do == rounds


def test_a_purposes_own_seed_replaces_the_runs() -> None:
    plain, own = settings_of("seed=3"), settings_of("seed=3", "seeds.init=5")
    assert own.seed_for("init") == settings_of("seed=5").seed_for("init")
    assert own.seed_for("init") != plain.seed_for("init")
    for purpose in ("order", "augmentation", "pruning"):
        assert own.seed_for(purpose) == plain.seed_for(purpose)


def test_the_trunk_is_the_run_or_the_one_of_this_seed(folder: Path) -> None:
    run = folder / "outputs/trunk-1234abcd/seed_2"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    for named in (run, run.parent, "outputs/trunk-1234abcd"):
        settings = settings_of("criterion=copy", f"criterion.run={named}", "seed=2")
        assert settings.trunk.path == run
    with pytest.raises(ConfigError, match=r"criterion.run=outputs/trunk-1234abcd: not the folder"):
        assert settings_of(*COPY, "seed=3").trunk
    with pytest.raises(ConfigError, match=r"criterion.run=null: the folder of a run"):
        assert settings_of("criterion=copy").trunk


def _changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The default config with other values; a value of ... leaves the key out."""
    config = {k: dict(v) if isinstance(v, Mapping) else v for k, v in composed().items()}
    for key, value in changes.items():
        group, _, name = key.rpartition(".")
        node = config[group] if group else config
        node[name] = value
        if value is ...:
            del node[name]
    return config


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seed": True}, "seed=true: a whole number >= 0"),
        ({"pruning.rate": "0.2"}, "pruning.rate=0.2: a number above 0 and below 1"),
        ({"pruning.rate": ...}, "pruning.rate=null: a number above 0 and below 1"),
        (
            {"pruning.rat": 0.1},
            "pruning.rat=0.1: no such key; did you mean pruning.rate or pruning.rates?",
        ),
        ({"pruning": 0.3}, "pruning=0.3: has keys of its own: pruning.rate, "),
        ({"model": None}, "model=null: has keys of its own: model.loss, model.rates"),
        ({"scope": None}, "scope=null: has keys of its own: scope.ties"),
        ({"logger": 5}, "logger=5: names, each with a _target_ and its arguments"),
        ({"logger": {"csv": 5}}, "logger.csv=5: a _target_ and its arguments"),
        ({"iterations": "5xy"}, "iterations=5xy: a number of steps"),
        ({"optimizer.nesterov": True}, "optimizer.nesterov=true: needs optimizer.momentum"),
        ({"optimizer.betas": [0.9, 1]}, "optimizer.betas=[0.9, 1]: two numbers >= 0 and below 1"),
        (
            {"early_bird.epsilon": 0.1, "pruning.at": "init"},
            "early_bird.epsilon=0.1: must be null",
        ),
    ],
)
def test_mistakes_are_one_line(changes: Mapping[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_settings(_changed(changes))
    assert str(refused.value).startswith(line)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer._target_": "mine.Own", "optimizer.lr": -1, "optimizer.betas": "none"},
        {"criterion._target_": "mine.Own", "criterion.temperature": 0, "criterion.shuffle": 5},
        {"scheduler": {"_target_": "mine.Own", "at": 0.5, "steps": "never"}},
        {"dataset.augment": 3, "dataset.image_size": "large"},
        {"reinit": {"_target_": "mine.Own", "to": "home", "draw": -1}},
        {"model.fc2": 0},
    ],
)
def test_arguments_of_a_class_are_its_own(changes: Mapping[str, Any]) -> None:
    read_settings(_changed(changes))


@pytest.mark.parametrize(
    "key", ["model.loss", "optimizer.clip_norm", "logger", "pruning.one_shot"]
)
def test_a_key_that_is_not_there_has_its_default_or_is_null(key: str) -> None:
    settings = read_settings(_changed({key: ...}))
    assert settings.model.loss == "cross_entropy"
    assert settings.optimizer.clip_norm is None
    assert settings.pruning.one_shot is None


def test_a_stored_group_without_later_options_is_read() -> None:
    node = {
        key: v for key, v in composed()["dataset"].items() if f"dataset.{key}" not in ADDED_LATER
    }
    dataset = read_group(groups.Dataset, node, "dataset")
    assert (dataset.limit, dataset.subsample, dataset.random_labels) == (None, 1, 0)


def test_plain_values_need_no_torch() -> None:
    program = (
        "import sys\nfrom lottery.config import settings\n"
        "print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    )
    assert real_program(program).out == "[]\n"
