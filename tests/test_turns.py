"""Threads that take turns: which one runs, when they meet, what each finds of global state."""

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from lottery.turns import Turns, away, my_number


def _turns(number: int) -> Turns:
    return Turns(number, read=dict, write=lambda state: None)


def _in_threads(turns: Turns, *jobs: Callable[[int], None]) -> None:
    def be(number: int, job: Callable[[int], None]) -> None:
        with suppress(ValueError), turns.seat(number):
            job(number)

    threads = [Thread(target=be, args=pair) for pair in enumerate(jobs)]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join()


def test_all_meet_before_any_goes_on() -> None:
    seen: list[str] = []
    turns = _turns(3)
    waiting: list[int] = []

    def serve() -> set[int]:
        seen.append(f"serve {sorted(waiting)}")
        served, waiting[:] = set(waiting), []
        return served

    def job(number: int) -> None:
        assert my_number() == number
        for part in ("a", "b"):
            seen.append(f"{number}{part}")
            waiting.append(number)
            turns.meet(number, serve)

    _in_threads(turns, job, job, job)
    meeting = ["serve [0, 1, 2]"]
    assert seen == ["0a", "1a", "2a", *meeting, "0b", "1b", "2b", *meeting]


def test_those_that_are_not_served_wait_on() -> None:
    seen: list[int] = []
    turns = _turns(3)
    order = iter([2, 0, 1])

    def job(number: int) -> None:
        turns.meet(number, lambda: {next(order)})
        seen.append(number)

    _in_threads(turns, job, job, job)
    assert seen == [2, 0, 1]


def test_one_that_fails_leaves_the_others_whole() -> None:
    seen: list[int] = []
    turns = _turns(3)

    def good(number: int) -> None:
        turns.meet(number, lambda: {0, 2})
        seen.append(number)

    def bad(number: int) -> None:
        raise ValueError

    _in_threads(turns, good, bad, good)
    assert seen == [0, 2]


def test_the_others_go_on_where_global_state_cannot_be_read() -> None:
    """As after an error of CUDA. Who was served may have gone."""
    seen: list[int] = []

    def read() -> None:
        if my_number() == 1:
            raise ValueError

    turns = Turns(3, read=read, write=lambda state: None)

    def job(number: int) -> None:
        seen.append(number)
        turns.meet(number, lambda: {0, 1, 2})
        seen.append(number)

    _in_threads(turns, job, job, job)
    assert seen == [0, 1, 2, 0, 2]


def test_the_others_go_on_where_global_state_cannot_be_put_back() -> None:
    seen: list[int] = []
    fails = iter([False, True, False])

    def write(state: None) -> None:
        if next(fails):
            raise ValueError

    turns = Turns(3, read=lambda: None, write=write)
    _in_threads(turns, seen.append, seen.append, seen.append)
    assert seen == [0, 2]


def test_the_others_run_while_one_is_away() -> None:
    seen: list[int] = []
    over = Event()

    def goes(number: int) -> None:
        with away():
            over.wait()
        seen.append(number)

    def stays(number: int) -> None:
        seen.append(number)
        over.set()

    _in_threads(_turns(2), goes, stays)
    assert seen == [1, 0]


def test_each_finds_global_state_as_it_left_it() -> None:
    state = {"value": "before"}
    turns = Turns(2, read=lambda: dict(state), write=state.update)
    found: list[str] = []

    def job(number: int) -> None:
        found.append(state["value"])
        state["value"] = f"of {number}"
        turns.meet(number, lambda: {0, 1})
        found.append(state["value"])

    _in_threads(turns, job, job)
    assert found == ["before", "before", "of 0", "of 1"]


def test_a_thread_that_is_alone_takes_no_turns() -> None:
    with away():
        assert my_number() == 0
