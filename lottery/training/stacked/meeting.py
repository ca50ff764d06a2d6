"""Where the runs of a group meet before each block of steps: those that fit train as one."""

import logging
from collections.abc import Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from lottery.signals import StopRequest
from lottery.training.stacked.block import Made, NextBlock
from lottery.training.stacked.stack import CannotStack, Stack
from lottery.turns import Turns, my_number

log = logging.getLogger(__name__)

MISSING = object()


@dataclass(frozen=True)
class Request:
    """A run's next block, in a round."""

    round_number: int
    block: NextBlock

    @property
    def progress(self) -> tuple[int, int]:
        """How far the run is."""
        return self.round_number, self.block.made


class Meeting:
    """Trains the networks of runs that differ in seeds, masks and starts only.

    Each run is a thread that does all but the steps by itself. When all runs of the group wait,
    those furthest behind go on. So runs that are apart, for example after a kill, meet again.

    Args:
        turns: of the threads.
        size: runs in the group.
        stop: what the main thread notes signals in.
    """

    def __init__(self, turns: Turns, size: int, stop: StopRequest) -> None:
        self.size = size
        self._turns = turns
        self._stop = stop
        self._requests: dict[int, Request] = {}
        self._answers: dict[int, Made | Exception | None] = {}
        self._stacks: dict[tuple[int, ...], Stack] = {}
        self._alone: set[int] = set()  # numbers of runs that cannot be trained with others
        self._told: set[str] = set()
        self._values: Mapping[str, Any] | None = None  # of the first run to ask

    def train(self, round_number: int, block: NextBlock) -> Made | None:
        """Make a run's block with those of other runs; None if it has to make it alone."""
        number = my_number()
        if number in self._alone:
            return None
        self._requests[number] = Request(round_number, block)
        self._turns.meet(number, self._serve)
        answer = self._answers.pop(number)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def first_other(self, values: Mapping[str, Any]) -> str:
        """Return the name of a value that the first run to ask has not; "" if all are equal."""
        first = self._values = values if self._values is None else self._values
        names = sorted(first.keys() | values.keys())
        others = [n for n in names if first.get(n, MISSING) != values.get(n, MISSING)]
        return others[0] if others else ""

    def tell(self, line: str) -> None:
        """Log a line once for all runs of the group."""
        if line not in self._told:
            self._told.add(line)
            log.info("%s", line)

    def _serve(self) -> set[int]:
        """Train the runs that are furthest behind, and return their numbers."""
        behind = min(request.progress for request in self._requests.values())
        kinds: dict[Hashable, list[int]] = {}
        for number, request in sorted(self._requests.items()):
            if request.progress == behind:
                kinds.setdefault(request.block.kind, []).append(number)
        served = {number for numbers in kinds.values() for number in numbers}
        # the weights of a stack stay in memory as long as it is known
        self._stacks = {
            key: stack for key, stack in self._stacks.items() if served.issuperset(key)
        }
        for numbers in kinds.values():
            self._train(tuple(numbers))
        for number in served:
            del self._requests[number]
        return served

    def _train(self, numbers: tuple[int, ...]) -> None:
        blocks = [self._requests[number].block for number in numbers]
        try:
            made = self._train_as_one(numbers, blocks)
        except Exception as error:  # noqa: BLE001  # raised in the thread of each run
            self._answers |= dict.fromkeys(numbers, error)
        else:
            self._answers |= dict(zip(numbers, made, strict=True))

    def _train_as_one(
        self, numbers: tuple[int, ...], blocks: list[NextBlock]
    ) -> list[Made] | list[None]:
        if len(blocks) == 1:
            return [None]
        stack = self._stacks.get(numbers)
        if stack is None or not stack.holds(blocks):
            try:
                stack = Stack(blocks)
            except CannotStack as error:
                network = type(blocks[0].network).__name__
                self.tell(f"{network}: each run is trained alone: {error}")
                self._alone |= set(numbers)
                return [None] * len(blocks)
            self._stacks[numbers] = stack
        return stack.train(blocks, stops=lambda: bool(self._stop.signum))


# Hydra calls a run's job: nothing else connects a launcher with what the job makes.
current_meeting: ContextVar[Meeting | None] = ContextVar("current_meeting", default=None)
