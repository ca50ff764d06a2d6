"""`module=supervised datamodule=image_stream`: a whole run, its key, and mistakes."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from lottery import load_run, load_ticket
from lottery.config import ConfigError, prepare
from lottery.models import LeNet5
from tests.conftest import Done, Lottery
from tests.helpers.experiments import composed, name_of
from tests.helpers.refused import assert_one_line
from tests.helpers.toy_class_folders import CLASSES, STREAM, write_class_folders

RUN = (*STREAM, "model=lenet_5", "rounds=1", "iterations=2ep", "evaluation.every=1ep")
QUICK = ("logger=none", "trainer.threads=1")


def test_a_run_and_its_ticket_are_those_of_the_network(
    lottery: Lottery, ticket: Callable[..., Done], folder: Path
) -> None:
    images = write_class_folders(folder / "images")
    words = (*RUN, *QUICK, "trainer.precision=bf16-mixed", "task.label_smoothing=0.1")
    words = (*words, "optimizer=sgd", "optimizer.lr=0.01", "optimizer.clip_norm=1")
    done = lottery(*words)
    assert done.code == 0, done.err
    assert done.run.parent.name.startswith("image_stream-lenet_5-magnitude-0.2-layerwise-rewind-")
    run = load_run(done.run)
    assert list(run.results["steps"]) == [18, 18]
    columns = ["round", "iteration", "split", "loss", "accuracy"]
    assert list(run.history.columns)[:5] == columns
    val = run.history[(run.history["split"] == "val") & (run.history["round"] == 0)]
    assert list(val["iteration"]) == [9, 18]
    assert {"val_loss", "val_f1", "f1", "val_ece", "ece", "val_last"} <= {*run.results.columns}
    assert isinstance(run.model(1), LeNet5)
    assert not run.weights(1)["conv1.weight"][~run.masks(1)["conv1.weight"]].any()
    assert ticket(done.run).code == 0
    assert isinstance(load_ticket(done.run), LeNet5)
    again = lottery(*words)
    assert (again.code, again.out) == (0, done.out)
    in_val = images / "val" / CLASSES[0]
    copyfile(min(in_val.iterdir()), in_val / "more.jpg")
    refused = lottery(*words, "rounds=2")
    assert refused.code == 2
    assert "names and sizes in images/val/" in refused.err


def test_the_key_has_what_shapes_the_data_and_not_where_they_are() -> None:
    plain = name_of(*RUN)
    for word in ("datamodule.folder=/elsewhere/images", "datamodule.num_workers=3"):
        assert name_of(*RUN, word) == plain, word
    for word in (
        *("datamodule.folder=others", "datamodule.batch_size=8"),
        *("optimizer.lr=0.1", "dataset.split_seed=1", "module.channels_last=false"),
    ):
        assert name_of(*RUN, word) != plain, word


def test_data_in_memory_cannot_be_set() -> None:
    with pytest.raises(ConfigError) as refused:
        composed(*RUN, "dataset.batch_size=8")
    line = "dataset.batch_size=8: with module=supervised the data are datamodule's"
    assert str(refused.value) == line


# (group, name, value, what the line must say)
MISTAKES: list[tuple[str, str, Any, str]] = [
    ("", "datamodule", None, "datamodule._target_=null: module=supervised trains on datam"),
    ("metrics", "val", "acc", "metrics.val=acc: with module=supervised task says it"),
    ("task", "metrics", {"a": {"_target_": "b"}}, "task.metrics={'a': {'_target_': 'b'}}: not th"),
    (
        "trainer",
        "lightning",
        {"limit_train_batches": 2},
        "trainer.lightning.limit_train_batches: not with module=supervised; instead: iterations",
    ),
    ("evaluation", "test_curve", True, "evaluation.test_curve=true: with module="),
    ("datamodule", "folder", "nowhere", "datamodule.folder: nowhere/train: No such file"),
    ("datamodule", "image_size", 0, "datamodule.image_size=0: a whole number from 1 to 4096"),
    ("datamodule", "resize", 15, "datamodule.resize=15: a whole number from 16 to"),
    ("datamodule", "val_share", 1, "datamodule.val_share=1: a number above 0, at most 0.5"),
    ("datamodule", "augment", "mirror", "datamodule.augment=mirror: one of none, flip, resi"),
    ("datamodule", "normalize", "std", "datamodule.normalize=std: one of unit, mean_std"),
    ("datamodule", "num_workers", -1, "datamodule.num_workers=-1: a whole number from 0"),
    ("datamodule", "batch_size", 60, "datamodule.folder: images/train: 36 images less those"),
    ("trainer", "devices", 3, "datamodule.batch_size=4: 3 devices share it; accepted: thei"),
    ("module", "channels_last", 1, "module.channels_last=1: true or false"),
    (
        "",
        "scheduler",
        {"_target_": "lottery.training.schedules.Plateau"}
        | {"factor": 0.1, "patience": 1, "threshold": 0.1, "min_factor": 0},
        "scheduler=plateau: follows the validation loss",
    ),
    ("model", "depth", 3, "model: LeNet5"),
    ("", "model", {"_target_": "lottery.models.VGG16Head"}, "model"),
]


@pytest.mark.parametrize(("group", "name", "value", "line"), MISTAKES)
def test_a_mistake_is_one_line(folder: Path, group: str, name: str, value: Any, line: str) -> None:
    write_class_folders(folder / "images")
    config = deepcopy(composed(*RUN, *QUICK))
    (config[group] if group else config)[name] = value
    with pytest.raises(ConfigError) as refused:
        prepare(config, folder / "run")
    assert str(refused.value).startswith(line)
    assert not (folder / "run").exists()


def test_no_round_begins_where_a_validation_comes_inside_an_epoch(folder: Path) -> None:
    write_class_folders(folder / "images")
    words = (*RUN, *QUICK, "evaluation.every=3")
    for accepted in ("9it", "5it"):
        prepare(composed(*words, f"reinit.to={accepted}"), folder / "run")
    with pytest.raises(ConfigError) as refused:
        prepare(composed(*words, "reinit.to=6it"), folder / "run")
    line = "reinit.to=6it: step 6 is inside an epoch of 9 steps, and a validation comes after it"
    assert str(refused.value).startswith(line)


def test_a_stream_needs_a_module(lottery: Lottery, folder: Path) -> None:
    assert_one_line(lottery("datamodule=image_stream"), "datamodule._target_", "module=supervised")


def test_a_damaged_image_ends_a_run_with_one_line(lottery: Lottery, folder: Path) -> None:
    images = write_class_folders(folder / "images")
    for image in (images / "train" / CLASSES[1]).iterdir():
        image.write_bytes(b"no image")
    done = lottery(*RUN, *QUICK)
    assert done.code == 2
    assert ".JPEG: no image" in done.err.splitlines()[-1]
