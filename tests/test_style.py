"""House rules that ruff does not know: plain calls, short files, plain words, telling names."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOTTERY = sorted((ROOT / "lottery").rglob("*.py"))
PROSE = [
    *LOTTERY,
    *sorted((ROOT / "conf").rglob("*.yaml")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
WORDS = re.compile(r"\b(whom|anew|to be had)\b", re.IGNORECASE)
NO_NAMES = {"utils", "parts", "plan", "place", "extras", "anew"}
MOST_LINES = 300


def _assert_none(found: Iterable[str]) -> None:
    lines = list(found)
    assert not lines, "\n".join(lines)


def _where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def _star_tuples(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for argument in node.args:
                if isinstance(argument, ast.Starred) and isinstance(
                    argument.value, ast.Tuple | ast.List
                ):
                    yield _where(path, argument.lineno)


def test_no_call_has_a_star_before_a_tuple() -> None:
    """`f(*(a, b), c)` hides which argument is which: pass them by name."""
    _assert_none(where for path in LOTTERY for where in _star_tuples(path))


def test_no_file_is_longer_than_300_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in LOTTERY}
    _assert_none(_where(path, length) for path, length in lengths.items() if length > MOST_LINES)


def test_words_are_plain() -> None:
    """A reader whose first language is not English knows other words better."""
    _assert_none(
        f"{_where(path, number)}: {match[0]}"
        for path in PROSE
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in WORDS.finditer(line)
    )


def test_module_names_tell_what_is_in_them() -> None:
    modules = {part for path in LOTTERY for part in path.relative_to(ROOT).with_suffix("").parts}
    assert modules & NO_NAMES == set()
