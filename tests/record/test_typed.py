"""What is compared with a type, and how a difference is told."""

import pickle
import re
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pytest

from lottery.record.files import DamagedFile, write_json
from lottery.record.typed import Entries, check_type, read_typed


class Inner(TypedDict):
    val: float
    step: int | None


class Outer(TypedDict):
    name: str
    inner: Inner
    by_name: dict[str, Inner]
    rows: list[Inner]
    free: dict[str, Any]
    done: NotRequired[bool]


INNER = {"val": 0.5, "step": None}
WHOLE = {
    "name": "a",
    "inner": INNER,
    "by_name": {"fc1.weight": INNER},
    "rows": [INNER],
    "free": {},
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": 3}, "name is 3, a text expected"),
        ({"name": None}, "name is null, a text expected"),
        ({"inner": []}, "inner is a list, an object expected"),
        ({"inner": {"val": 1}}, "inner.step is missing"),
        ({"inner": {"val": "x", "step": 1}}, "inner.val is 'x', a number expected"),
        ({"inner": {"val": True, "step": 1}}, "inner.val is true, a number expected"),
        ({"inner": {"val": 1, "step": 1.5}}, "inner.step is 1.5, a whole number or null expected"),
        ({"inner": {"val": 1, "step": False}}, "inner.step is false, a whole number or null"),
        ({"by_name": {"w": None}}, "by_name.w is null, an object expected"),
        ({"by_name": {"w": {"step": 1}}}, "by_name.w.val is missing"),
        ({"rows": [INNER, INNER | {"val": {}}]}, "rows[1].val is an object, a number expected"),
        ({"rows": {}}, "rows is an object, a list expected"),
        ({"free": [1]}, "free is a list, an object expected"),
        ({"done": 0}, "done is 0, true or false expected"),
        ({"name": ["x" * 99]}, "name is a list, a text expected"),
        ({"rows": "x" * 99}, f"rows is '{'x' * 39} ..., a list expected"),
    ],
    ids=str,
)
def test_the_first_difference_is_named(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    path = tmp_path / "file.json"
    write_json(path, WHOLE | change)
    with pytest.raises(DamagedFile, match=f"^{path}: damaged: {re.escape(fault)}.*; remove it$"):
        read_typed(path, Outer, "remove it")


@pytest.mark.parametrize("change", [{}, {"new": 1}, {"done": True}, {"free": {"a": [None]}}])
def test_what_fits_is_returned_whole(tmp_path: Path, change: dict[str, Any]) -> None:
    write_json(tmp_path / "file.json", WHOLE | change)
    assert read_typed(tmp_path / "file.json", Outer, "") == WHOLE | change


@pytest.mark.parametrize("content", [[], None, "x", 3, {}])
def test_other_content_is_named(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "file.json", content)
    with pytest.raises(DamagedFile, match=r"file.json: damaged: (the content is|by_name is miss)"):
        read_typed(tmp_path / "file.json", Outer, "")


def test_whole_numbers_are_numbers() -> None:
    check_type(1, float)
    with pytest.raises(TypeError):
        check_type(1.0, int)


def test_who_asks_for_a_missing_entry_is_told_the_file() -> None:
    entries = Entries({"a": 1}, Path("run.json"), "config", "remove it")
    assert (entries["a"], entries.get("b"), entries == {"a": 1}) == (1, None, True)
    for copy in (entries, pickle.loads(pickle.dumps(entries))):
        with pytest.raises(
            DamagedFile, match=r"^run.json: damaged: config has no 'b'; remove it$"
        ):
            copy["b"]
