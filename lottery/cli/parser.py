"""The commands' parser: examples below --help, and mistakes in one line with the nearest word."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from lottery.cli.common import end
from lottery.errors import MISTAKE, escaped
from lottery.nearest import did_you_mean

OPTION = re.compile(r"(?<!\w)--?[a-z][\w-]*")
UNKNOWN = re.compile(r"unrecognized arguments: .*?(--[\w-]+)")
CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """An argparse parser of ours; `examples` are commands that work, with what they do."""

    def __init__(self, *, examples: Sequence[tuple[str, str]] = (), **options: Any) -> None:
        super().__init__(**options)
        self.examples = examples

    def format_help(self) -> str:
        """Return the help with the examples at its end."""
        width = max((len(command) for command, _ in self.examples), default=0)
        lines = [f"  {command:{width}}  {words}\n" for command, words in self.examples]
        return super().format_help() + "".join(["\nexamples:\n", *lines] if lines else [])

    def words(self) -> dict[str, tuple[str, ...]]:
        """Return the options with what each chooses from; "" has what stands without an option."""
        found: dict[str, tuple[str, ...]] = {"": ()}
        for action in self._actions:
            choices = tuple(str(choice) for choice in action.choices or ())
            options = [name for name in action.option_strings if name.startswith("--")]
            found |= dict.fromkeys(options, choices)
            if not action.option_strings:
                found[""] += choices
            if isinstance(action.choices, dict):  # commands of this command
                for inner in action.choices.values():
                    found |= inner.words() | {"": found[""] + inner.words()[""]}
        return found

    def error(self, message: str) -> NoReturn:
        """End the command with one line and exit code 2."""
        more = ""
        if found := UNKNOWN.search(message):
            more = did_you_mean(found[1], OPTION.findall(self.format_help()))
        elif found := CHOICE.search(message):
            more = did_you_mean(found[1], re.findall(r"[\w.-]+", found[2]))
        if not more and not message.startswith("argument"):  # those say what is accepted
            more = f"`{self.prog} --help` says what there is"
        end(escaped("; ".join(filter(None, (f"error: {message}", more)))), MISTAKE)
