"""Runs that a test expects to be finished."""

from lottery.api import Run, load_run
from tests.conftest import Done


def assert_trained(done: Done, rounds: int = 1) -> Run:
    """Check that a command has done all of its rounds, and return the run."""
    assert done.code == 0, done.err
    run = load_run(done.run)
    assert run.status == "finished"
    assert list(run.results["round"]) == list(range(rounds + 1))
    return run
