"""On what a run was computed: in run.json, in every record, compared when it goes on."""

import socket

from lottery.record.links import make_links
from lottery.record.records import read_record, read_run_json, write_run_json
from lottery.record.run_dir import RunDir
from tests.conftest import TINY, Lottery
from tests.helpers.toy_records import record

OLD = ("host", "process", "device", "threads", "command")  # what earlier versions have noted


def test_a_run_that_goes_on_otherwise_warns_and_keeps_what_was(lottery: Lottery) -> None:
    first = lottery(*TINY, "rounds=0")
    folder = RunDir(first.run)
    on_cpu = {"devices": 1, "threads": 1, "deterministic": True, "compile": False}
    assert on_cpu.items() <= read_run_json(folder)["machine"].items()
    done = lottery(*TINY, "trainer.deterministic=false")
    assert (
        "this run began with deterministic=True and goes on with deterministic=False: its last "
        "bits may differ from those of a run that was not interrupted" in done.err
    )
    rounds = [read_record(folder.round(number))["trained"] for number in (0, 1)]
    assert [trained["hardware"]["deterministic"] for trained in rounds] == [True, False]
    assert rounds[0]["host"] == socket.gethostname()


def test_what_an_earlier_version_did_not_note_is_no_difference(lottery: Lottery) -> None:
    folder = RunDir(lottery(*TINY, "rounds=0").run)
    entry = read_run_json(folder)
    entry["machine"] = {name: entry["machine"][name] for name in OLD}
    write_run_json(folder, entry)
    done = lottery(*TINY)
    assert done.code == 0
    assert "this run began with" not in done.err


def test_no_digest_depends_on_where_a_round_was_trained() -> None:
    """A round that is done again elsewhere fits the rounds that go on from it."""
    before = record(0, test=0.9, val=0.9, remaining=1.0)
    links = make_links(None, before, {})
    before["trained"] = {"host": "elsewhere", "hardware": {"device": "gpu (another)"}}
    assert make_links(None, before, {}) == links
