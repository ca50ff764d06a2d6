"""Round 0 is taken from a run that has trained the same one, and only then."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from lottery.config import dense_round, prepare
from lottery.config.provenance import package_versions
from lottery.imp import run_rounds
from lottery.record.records import read_record
from lottery.record.run_dir import RunDir
from lottery.signals import Stopped
from tests.conftest import TINY, Done, Lottery, result_tables, tensor_files
from tests.helpers.experiments import composed
from tests.helpers.stopping import StopAfter

# What round 0 does not depend on ...
SAME = (
    ("criterion=random", "reinit=random", "scope=global", "pruning.rate=0.5"),
    ("seeds.pruning=7", "dataset.order=fixed", "early_bird.epsilon=0.1"),
    ("rounds=5", "keep=winner", "trainer.block=7", "logger=none", "adopt=false"),
    ("seed=3", "seeds.init=0", "seeds.order=0", "seeds.augmentation=0"),
)
# ... and what it depends on.
OTHER = (
    "seed=3",
    "optimizer.lr=0.002",
    "iterations=21",
    "evaluation.every=9",
    "early_stopping.patience=3",
    "dataset.split_seed=1",
    "dataset.batch_size=50",
    "pruning.exclude=[fc1*]",
    "trainer.precision=64-true",
    "trainer.threads=2",
    "trainer.deterministic=false",
)


def _source(*overrides: str) -> str | None:
    config = composed("trainer=cpu", "trainer.threads=1", *TINY, *overrides)
    return prepare(config, Path("run").absolute()).imp.storage.dense.digest


def _trained_by(run: Path) -> str | None:
    return read_record(RunDir(run).round(0))["trained"].get("run")


def _equal(one: Done, other: Done) -> bool:
    return result_tables(one.run) == result_tables(other.run) and (
        tensor_files(one.run) == tensor_files(other.run)
    )


@pytest.mark.usefixtures("folder")
def test_what_shapes_round_0() -> None:
    digest = _source()
    assert digest is not None
    assert [changes for changes in SAME if _source(*changes) != digest] == []
    assert [change for change in OTHER if _source(change) == digest] == []
    with_callback = "+callbacks.timer._target_=pytorch_lightning.callbacks.Timer"
    assert _source(with_callback) is None


@pytest.mark.usefixtures("folder")
def test_versions_of_the_packages_that_targets_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ours alone none are added: older digests stay."""
    digests, seen = {_source()}, set[str]()
    for number in ("1", "2"):

        def versions_of(targets: Iterable[object], number: str = number) -> dict[str, str]:
            seen.update(str(target).partition(".")[0] for target in targets)
            return {"timm": number}

        monkeypatch.setattr(dense_round, "package_versions", versions_of)
        digests.add(_source())
    assert len(digests) == 3
    assert seen == {"lottery", "torch"}
    assert package_versions(["torch.optim.SGD", "lottery.models.LeNet5", "mine.Net"]) == {}


@pytest.mark.parametrize(
    "arm",
    [
        ("criterion=random", "seeds.pruning=1"),
        ("scope=global", "reinit=none"),
        ("dynamic=set", "dynamic.every=5"),
        ("criterion=edge_popup",),
    ],
)
def test_round_0_is_taken_as_if_it_were_trained(lottery: Lottery, arm: tuple[str, ...]) -> None:
    first = lottery(*TINY, "reinit=none")
    taken = lottery(*TINY, *arm)
    assert f"round 0: taken from {first.run}" in taken.err
    assert _trained_by(taken.run) == str(first.run)
    entry = json.loads((taken.run / "run.json").read_text())
    assert entry["dense_from"] == str(first.run)

    alone = lottery(*TINY, *arm, "adopt=false", "output_dir=alone")
    assert _trained_by(alone.run) is None
    assert _equal(taken, alone)


def test_it_is_trained_where_no_other_run_has_all_of_it(lottery: Lottery) -> None:
    first = lottery(*TINY)
    late = lottery(*TINY, "reinit.to=10it")  # the first run has not stored step 10
    assert _trained_by(late.run) is None
    third = lottery(*TINY, "criterion=random", "reinit.to=10it")
    assert _trained_by(third.run) == str(late.run)
    assert "rewind.safetensors" in {path.name for path in (third.run / "rounds/00").iterdir()}
    # the late one has more than a run without rewind point needs
    shutil.rmtree(first.run)
    fourth = lottery(*TINY, "criterion=random")
    assert _trained_by(fourth.run) == str(late.run)
    assert _equal(fourth, lottery(*TINY, "criterion=random", "adopt=false", "output_dir=alone"))


def _carry_on(folder: Path, *overrides: str, looks: int = 10**9) -> None:
    """Train round 0 until so many looks whether to stop have been taken."""
    config = composed("trainer=cpu", "trainer.threads=1", *TINY, "rounds=0", *overrides)
    experiment = prepare(config, folder)
    fit = replace(experiment.fit, stop=StopAfter(looks))
    run_rounds(replace(experiment.imp, fit=fit))


@pytest.mark.parametrize(
    ("stops", "is_offered"),
    [
        (("true", "true"), True),
        (("true", "false"), False),
        (("true", "false", "true"), False),  # back at the first place
    ],
)
def test_a_round_that_was_carried_on_elsewhere_is_not_offered(
    folder: Path, stops: tuple[str, ...], is_offered: bool
) -> None:
    """Other kernels may give other last bits in a part of it, which no digest says."""
    for deterministic in stops[:-1]:
        with pytest.raises(Stopped):
            _carry_on(folder / "run", f"trainer.deterministic={deterministic}", looks=5)
    _carry_on(folder / "run", f"trainer.deterministic={stops[-1]}")
    trained = read_record(RunDir(folder / "run").round(0))["trained"]
    assert ("dense" in trained) == is_offered


def test_an_early_bird_is_looked_for_in_a_training(lottery: Lottery) -> None:
    lottery(*TINY)
    bird = lottery(*TINY, "criterion=random", "early_bird.epsilon=0.1")
    assert _trained_by(bird.run) is None


def test_runs_that_are_gone_or_damaged_are_passed_over(lottery: Lottery) -> None:
    first = lottery(*TINY)
    file = first.run / "rounds" / "00" / "final.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    second = lottery(*TINY, "criterion=random")
    assert f"round 0 is not taken from {first.run}: {file}: damaged" in second.err
    assert _trained_by(second.run) is None

    shutil.rmtree(first.run)
    third = lottery(*TINY, "scope=global")
    assert _trained_by(third.run) == str(second.run)
    shutil.rmtree(second.run)
    assert _trained_by(lottery(*TINY, "reinit=random").run) == str(second.run)  # by the third
    assert lottery(*TINY, "scope=global").out == third.out  # finished still


def test_a_folder_that_cannot_name_its_runs_costs_no_run(lottery: Lottery, folder: Path) -> None:
    outputs = folder / "outputs"
    outputs.mkdir()
    (outputs / ".dense").write_text("")
    first = lottery(*TINY)
    assert first.code == 0
    assert "other runs cannot take round 0 from this one" in first.err
    assert _trained_by(lottery(*TINY, "criterion=random").run) is None
