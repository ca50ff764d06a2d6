"""The fenced blocks of the documentation, and the commands in them."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is, as its first line names it: `# mine.py`."""
        named = re.match(r"# ([\w/]+\.(?:py|yaml))\n", self.text)
        return named[1] if named else None


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return [Block(found[2], found[3]) for found in FENCE.finditer((ROOT / page).read_text())]


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command of a page's `bash` blocks; comments are left out.

    Variables have the values that the page gave them, those of `$(...)` the variable's name.
    """
    values: dict[str, str] = {}
    for block in blocks_of(page):
        if block.language == "bash":
            for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
                set_here = re.match(r"(?:export )?([A-Z]+)=(?:\"([^\"]*)\"|\$\()", line)
                if set_here:
                    name, value = set_here.groups()
                    values[name] = _expanded(value or name, values)
                elif words := shlex.split(_expanded(line, values), comments=True):
                    yield words


def _expanded(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$([A-Z]+)\b", lambda found: values.get(found[1], found[0]), text)
