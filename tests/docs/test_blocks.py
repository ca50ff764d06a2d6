"""Every command of the documentation is run, or listed here with its reason.

A `lottery` line is run with `dry_run=true`: everything is checked, nothing is trained. Of the
other commands the options are read.
"""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

import lottery as package
from lottery.cli import claims, compare, completion, data, doctor, ls, report, stability, ticket
from tests.conftest import Done, Lottery, WriteModule
from tests.docs.blocks import PAGES, blocks_of, commands_of
from tests.helpers.toy_cifar import shrink_cifar, write_cifar
from tests.helpers.toy_class_folders import write_class_folders
from tests.helpers.toy_image_folders import write_images
from tests.helpers.toy_mnist import write_mnist
from tests.helpers.toy_tiny_imagenet import write_tiny_imagenet

OPTIONS_READ = {
    "lottery-claims": claims.main,
    "lottery-compare": compare.main,
    "lottery-completion": completion.main,
    "lottery-data": data.main,
    "lottery-doctor": doctor.main,
    "lottery-ls": ls.main,
    "lottery-report": report.main,
    "lottery-stability": stability.main,
    "lottery-ticket": ticket.main,
}
OF_A_CLUSTER = (
    "needs a cluster, or a second machine; docs/how-to/cluster.md says what was run by hand"
)
NOT_RUN = {
    **dict.fromkeys(("export", "eval", "trap", "wait", "sweep"), "of the shell"),
    **dict.fromkeys(("scripts/run", "scripts/test", "scripts/docs"), "CI begins with them"),
    **dict.fromkeys(("pip", "apt-get", "git"), "installs"),
    **dict.fromkeys(("tensorboard", "LOTTERY_RUNS"), "serves until it is stopped"),
    **dict.fromkeys(
        ("wandb", "WANDB_MODE", "mlflow", "MLFLOW_TRACKING_URI"),
        "tests/training/test_tracking.py does, offline",
    ),
    **dict.fromkeys(("squeue", "scontrol", "scancel", "sbatch", "ssh", "rsync"), OF_A_CLUSTER),
    **dict.fromkeys(("tmux", "tail", "setsid", "scripts/slurm-local"), OF_A_CLUSTER),
    ".venv/bin/python": "measures for minutes, or needs a folder of somebody's",
}


def test_every_block_has_a_language() -> None:
    found = {block.language for page in PAGES for block in blocks_of(page)}
    assert found == {"bash", "python", "text", "yaml"}


def test_the_tree_of_files_is_that_of_the_outputs_folder() -> None:
    tree = blocks_of(Path("outputs/README.md"))[0]
    assert blocks_of(Path("docs/reference/files.md"))[0] == tree
    assert "results.csv" in tree.text


def test_every_other_command_is_listed_with_its_reason() -> None:
    first = {words[0].partition("=")[0] for page in PAGES for words in commands_of(page)}
    assert {*NOT_RUN, *OPTIONS_READ, "lottery"} == first


OWN_CODE = Path("docs/how-to/own-code.md")  # whose classes other pages use, too


class Read(Exception):
    """The options were accepted."""


@pytest.fixture
def options(
    in_process: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """`options(main, "lottery-report", "RUN")` ends the command once its options are read."""
    read, read_known = argparse.ArgumentParser.parse_args, argparse.ArgumentParser.parse_known_args

    def stop(self: argparse.ArgumentParser) -> None:
        read(self)
        raise Read

    def stop_if_first(self: argparse.ArgumentParser, *given: Any, **named: Any) -> Any:
        found = read_known(self, *given, **named)
        if given or named:  # called by parse_args, or for a subcommand
            return found
        raise Read

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", stop_if_first)
    return in_process


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_options_of_commands_are_known(page: Path, options: Callable[..., Done]) -> None:
    for words in commands_of(page):
        if words[0] in OPTIONS_READ:
            with pytest.raises(Read):
                options(OPTIONS_READ[words[0]], *words)


@pytest.mark.parametrize("command", OPTIONS_READ)
def test_examples_of_help_are_known(command: str, options: Callable[..., Done]) -> None:
    shown = options(OPTIONS_READ[command], command, "--help").out
    lines = shown.partition("\nexamples:\n")[2].splitlines()
    assert len(lines) >= 3
    for line in lines:
        words = re.split(r"  | \| | >", line.strip())[0].split()
        assert words[0] == command
        with pytest.raises(Read):
            options(OPTIONS_READ[command], *words)


Trunks = dict[str, str]


@pytest.fixture(scope="module")
def trunks(tmp_path_factory: pytest.TempPathFactory) -> Trunks:
    """A finished run of 19 rounds on each of two datasets."""
    path = tmp_path_factory.mktemp("trunk")
    write_mnist(path)
    quick = ("rounds=18", "iterations=1", "evaluation.every=1", "trainer.threads=1", "logger=none")
    here = (f"output_dir={path}", f"dataset.root={path}", "dataset.batch_size=6")
    return {
        name: str(package.run(f"dataset={name}", *quick, *here).path)
        for name in ("digits", "mnist")
    }


@pytest.fixture
def toy_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data that the pages name, made up."""
    monkeypatch.setenv("LOTTERY_DATA", "data")
    shrink_cifar(monkeypatch)
    for source in ("MNIST", "FashionMNIST"):
        write_mnist(folder / "data", source=source)
    for name in ("cifar10", "cifar100"):
        write_cifar(folder / "data", name)
    write_images(folder / "pets")
    write_class_folders(folder / "imagenet")
    (folder / "wine.csv").write_text("id,acid,kind\n" + "1,2.5,red\n2,3.5,white\n" * 30)
    (folder / "houses.csv").write_text("rooms,price\n" + "1,250.5\n2,300.5\n3,410\n" * 20)
    for text in ("book.txt", "FILE"):
        (folder / text).write_text("to be or not to be, that is the question " * 400)
    write_tiny_imagenet(folder / "data")


def one_run(words: list[str], trunks: Trunks) -> list[str]:
    """Return the overrides of a command's first run, with a real run where the page says RUN."""
    in_28 = {"dataset=mnist", "dataset._target_=digits_28.Digits28"}
    trunk = trunks["mnist" if in_28 & set(words) else "digits"]
    arguments = []
    for word in words[1:]:
        if word in ("-m", "&") or word.startswith("hydra"):
            continue
        arguments.append(ON_THIS_MACHINE.get(word, _first_value(RUN.sub(trunk, word))))
    if any(argument.startswith("criterion=snip") for argument in arguments):
        arguments.append("criterion.batch_size=6")
    if "datamodule=image_stream" in arguments:
        return [*arguments, "datamodule.batch_size=6", "datamodule.num_workers=1"]
    native = any(argument.startswith("module") for argument in arguments)
    return arguments if native else [*arguments, "dataset.batch_size=6"]


RUN = re.compile(r"(?<==)(RUN|TRUNK|CORRUPTED|\$\(lottery .*\))$")
ON_THIS_MACHINE = {"trainer=gpu": "trainer=cpu", "trainer=ddp": "trainer=ddp_cpu"}


def _first_value(word: str) -> str:
    """Return an override with the first of its values: `seed=0` for `seed=range(3)`."""
    if "=" not in word or word.startswith("-"):
        return word
    (override,) = OverridesParser.create().parse_overrides([word])
    if not override.is_sweep_override():
        return word
    sweep = override.value()
    first = (
        sweep.start
        if isinstance(sweep, IntervalSweep)
        else next(iter(override.sweep_string_iterator()))
    )
    return f"{word.partition('=')[0]}={first}"


NOT_ACCEPTED = {
    "trainer.num_nodes=2": "needs SLURM or torchrun",
    "model.width=64 rounds=3 iterations=1000 criterion=copy": "needs a trunk with a decoder",
    "frankle2021_resnet_20 criterion=copy": "needs a trunk with a ResNet-20",
    "model.init_from=": "needs 45 MB; tests/config/test_start_weights.py has small ones",
}


@pytest.mark.usefixtures("toy_data")
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_are_accepted(
    page: Path, lottery: Lottery, write_module: WriteModule, folder: Path, trunks: Trunks
) -> None:
    for block in (*blocks_of(OWN_CODE), *blocks_of(page)):
        if block.file and block.language == "python":
            write_module(block.file.removesuffix(".py"), block.text)
        elif block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)
    refused = ""
    for words in commands_of(page):
        if words[0] == "lottery" and not any(part in " ".join(words) for part in NOT_ACCEPTED):
            done = lottery(*one_run(words, trunks), "dry_run=true", "output_dir=elsewhere")
            if done.code:
                refused += f"{' '.join(words)}\n{done.err}"
    assert refused == ""
