"""A run or a ticket from a stranger: no command and no Python function runs what it names."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lottery as package
from lottery.errors import ConfigError, UntrustedCode
from lottery.record.files import read_json
from lottery.record.run_dir import RunDir
from tests.conftest import Done, Lottery, real_program
from tests.helpers.foreign import OURS_ON_MODEL, calls, forge_run, write_evil
from tests.helpers.tickets import TicketCommand, assert_passed, assert_refused, sign_again

QUICK = ("rounds=2", "iterations=60", "evaluation.every=20", "trainer.threads=1", "logger=none")
NAMES = tuple(calls(Path()))
FEW = ("--pairs", 1, "--points", 3)


@pytest.fixture
def mark(folder: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a stranger's code would write; the current folder is the run's."""
    mark = folder / "mark"
    write_evil(run, mark)
    monkeypatch.chdir(run)
    return mark


def refuses(call: Callable[[], Any]) -> None:
    with pytest.raises(UntrustedCode, match=r"if you trust its author: trust_code=True$"):
        call()


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", NAMES)
def test_no_command_runs_what_a_foreign_run_names(
    *,
    name: str,
    mark: Path,
    run: Path,
    ticket: TicketCommand,
    stability: Callable[..., Done],
    report: Callable[..., Done],
    lottery: Lottery,
) -> None:
    forge_run(run, model={**calls(mark)[name], **OURS_ON_MODEL})
    assert_refused(ticket(run), "run.json", f"lottery-ticket {run} --trust-code")
    assert not (run / "ticket").exists()
    assert_refused(ticket("."), "run.json", "lottery-ticket . --trust-code")
    assert_refused(ticket(run, "--features", "fc1"), "run.json")
    done = stability(run, *FEW)
    assert_refused(done, "run.json", f"lottery-stability {run} --pairs 1 --points 3 --trust-code")
    assert not (run / "stability").exists()
    assert report(run).code == 0
    copying = ("criterion=copy", f"criterion.run={run}", "criterion.rounds=[1]")
    lottery(*QUICK, *copying)  # its dense round may be another one
    assert_refused(lottery(*QUICK, f"hydra.run.dir={run}"), "holds another run; differing: model")
    assert not mark.exists()


@pytest.mark.parametrize("name", NAMES)
def test_no_python_function_runs_what_a_foreign_run_names(
    name: str, mark: Path, run: Path
) -> None:
    forge_run(run, model={**calls(mark)[name], **OURS_ON_MODEL})
    opened = package.load_run(run)
    assert [found.path for found in package.load_runs(run.parent)] == [run]
    assert opened.status == "finished"
    assert opened.config["seed"] == 0
    for table in (opened.results, opened.history, opened.layers, opened.early_bird):
        assert "round" in table
    assert opened.masks(1).keys() <= opened.weights(1).keys()
    assert package.histories([opened])["round"].tolist() == [0, 1, 2]
    assert set(package.compare(opened).networks["round"]) == {0, 1, 2}
    refuses(lambda: opened.model(1))
    with pytest.raises(FileNotFoundError):
        package.load_ticket(run)
    assert not mark.exists()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_what_a_foreign_ticket_names(
    name: str, mark: Path, run: Path, ticket: TicketCommand
) -> None:
    assert_passed(ticket(run))
    taken = RunDir(run).ticket
    entry = read_json(taken.ticket_json)
    for group in ("model", "dataset"):
        ours = {"model": OURS_ON_MODEL, "dataset": entry["dataset"]}[group]
        sign_again(taken, **{group: {**ours, **calls(mark)[name]}})
        for path in (run, taken.path):
            assert_refused(ticket(path), "ticket.json", f"lottery-ticket {path} --trust-code")
            assert_refused(ticket(path, "--export", "csr"), "ticket.json")
            assert_refused(ticket(path, "--features", "fc1"), "ticket.json")
        if group == "model":
            refuses(lambda: package.load_ticket(run))
            refuses(lambda: package.load_ticket(taken.path, "start"))
        sign_again(taken, **{group: entry[group]})
    assert not mark.exists()


@pytest.mark.parametrize(
    "group", ["dataset", "model", "criterion", "scope", "reinit", "optimizer", "scheduler"]
)
@pytest.mark.parametrize("inside", [False, True])
def test_no_group_of_a_foreign_run_is_made(
    *,
    group: str,
    inside: bool,
    mark: Path,
    run: Path,
    ticket: TicketCommand,
    stability: Callable[..., Done],
) -> None:
    ours = read_json(run / "run.json")["settings"][group]
    call = calls(mark)["mkdir"]
    forge_run(run, **{group: ours | ({"x": [{"y": call}]} if inside else call)})
    assert_refused(ticket(run), "run.json", "os.mkdir")
    assert_refused(stability(run, *FEW), "run.json", "os.mkdir")
    assert not mark.exists()


def test_a_loss_of_a_foreign_run_is_not_made(mark: Path, run: Path, ticket: TicketCommand) -> None:
    ours = read_json(run / "run.json")["settings"]["model"]
    forge_run(run, model=ours | {"loss": calls(mark)["mkdir"]})
    assert_refused(ticket(run), "run.json", "os.mkdir")
    refuses(lambda: package.load_run(run).model(1))
    assert not mark.exists()


def test_loggers_and_callbacks_of_a_run_are_never_made_again(
    mark: Path, run: Path, ticket: TicketCommand, stability: Callable[..., Done]
) -> None:
    forge_run(run, logger={"x": calls(mark)["mkdir"]}, callbacks={"x": calls(mark)["module"]})
    assert_passed(ticket(run))
    assert stability(run, *FEW, "--rounds", "0").code == 0
    assert not mark.exists()


@pytest.mark.parametrize("name", NAMES[3:])
def test_a_user_who_trusts_a_folder_runs_its_code(
    name: str, mark: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(run)
    forge_run(run, model={**calls(mark)[name], **OURS_ON_MODEL})
    with pytest.raises((ConfigError, OSError, AttributeError, TypeError)):
        package.load_run(run).model(1, trust_code=True)
    assert mark.exists()
    sys.modules.pop("evil", None)


@pytest.mark.parametrize("command", ["ticket", "stability"])
def test_trust_code_makes_the_current_folder_importable(
    command: str, mark: Path, run: Path, request: pytest.FixtureRequest
) -> None:
    forge_run(run, model={**calls(mark)["module"], **OURS_ON_MODEL})
    assert_refused(request.getfixturevalue(command)(".", "--trust-code"), "evil", "'Net'")
    assert mark.exists()
    sys.modules.pop("evil", None)


def test_names_that_only_look_like_rounds_are_no_rounds(
    mark: Path, run: Path, ticket: TicketCommand
) -> None:
    for name in ("²", "٣", "1", "02 (copy)", "001"):
        shutil.copytree(run / "rounds/01", run / "rounds" / name)
    assert package.load_run(run).results["round"].tolist() == [0, 1, 2]
    assert_passed(ticket(run))


def test_no_style_of_figures_is_read_from_the_current_folder(mark: Path, run: Path) -> None:
    os.mkfifo(run / "matplotlibrc")
    done = real_program(
        "import os, pathlib\n"
        "from lottery.report import report_at_end\n"
        "os.environ.pop('LOTTERY_REPORT')\n"
        "print(report_at_end(pathlib.Path('.').absolute()))\n"
    )
    assert done.out.strip().endswith("report.html"), done.out + done.err
    assert list((run / "figures").glob("*.png"))


def test_no_text_of_a_file_reaches_the_terminal_as_a_control(
    mark: Path, run: Path, ticket: TicketCommand, stability: Callable[..., Done]
) -> None:
    escape = "\x1b]0;title\x07\x1b[2J"
    settings = read_json(run / "run.json")["settings"]
    for changes in (
        {"rounds": f"3{escape}"},
        {"model": settings["model"] | {"_target_": f"os.{escape}"}},
        {"optimizer": settings["optimizer"] | {escape: 1}},
    ):
        forge_run(run, **changes)
        for done in (ticket(run), stability(run, *FEW)):
            assert "\x1b" not in done.err + done.out
            assert "Traceback" not in done.err
        forge_run(run, **{name: settings[name] for name in changes})
