"""The command, in process: what a user sees of a run."""

from collections.abc import Callable

from tests.conftest import QUICK, Done


def test_run_prints_table_and_folder(lottery: Callable[..., Done]) -> None:
    done = lottery(*QUICK)
    assert done.code == 0, done.err
    assert "winning ticket" in done.out
    assert (done.run / "results.csv").exists()
    again = lottery(*QUICK)
    assert again.code == 0
    assert again.out == done.out
