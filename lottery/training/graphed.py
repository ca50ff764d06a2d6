"""An optimizer step that is captured once and then replayed: one launch instead of some hundred.

A GPU waits for the host between the kernels of a small network. A replay starts them together,
without Python, on the memory that they had when they were captured. So the batch is copied into
fixed tensors, and numbers of Python stay as they were, such as the learning rate.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from lottery.errors import LotteryError
from lottery.generators import read_generators, write_generators

log = logging.getLogger(__name__)

Step = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]  # gives the loss and the outputs
Replay = Callable[[], None]

ORDINARY = 3  # steps at a learning rate before it is captured
TRIALS = 2  # steps that must be equal; a number of Python that stays shows at the second


class GraphFailed(LotteryError):
    """A step could not be captured, or its replay is not the step."""


@dataclass(frozen=True)
class Graphs:
    """How steps are captured.

    Args:
        capture: makes the step of a function and an optimizer several times, and returns what
            makes it again.
        required: whether to end the run where that fails, instead of making ordinary steps.
    """

    capture: Callable[[Callable[[], None], Optimizer], Replay]
    required: bool


class GraphedStep:
    """Makes optimizer steps, by replaying a captured one wherever that is possible.

    The first steps at each learning rate are ordinary ones. Then the step is captured and tried:
    replays must leave the bits that ordinary steps leave. What this took is undone afterwards.

    Args:
        step: an ordinary step, from example indices and the augmentation's random numbers.
        optimizer: makes it.
        tensors: what a step reads or changes, besides the data and the optimizer's state.
        graphs: captures it.
    """

    def __init__(
        self,
        step: Step,
        optimizer: Optimizer,
        tensors: Sequence[Tensor],
        graphs: Graphs,
    ) -> None:
        self.step = step
        self.optimizer = optimizer
        self.tensors = tensors
        self.graphs = graphs
        self._inputs: list[Tensor] = []  # the fixed ones
        self._rates: list[float] = []
        self._ordinary = 0  # steps made at these rates
        self._replay: Replay | None = None
        self._result: tuple[Tensor, Tensor]  # of the latest step; a replay writes into its own
        self._places: list[int] = []  # of the tensors in memory, when the step was captured

    def __call__(self, rows: Tensor, drawn: Tensor | None) -> tuple[Tensor, Tensor]:
        """Make a step; return its loss and outputs, which later steps leave alone."""
        given = [rows] if drawn is None else [rows, drawn]
        if not self._inputs:
            self._inputs = [tensor.clone() for tensor in given]
        if rows.shape != self._inputs[0].shape:
            return self.step(rows, drawn)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if rates != self._rates:
            self._rates, self._ordinary, self._replay = rates, 0, None
        for fixed, tensor in zip(self._inputs, given, strict=True):
            fixed.copy_(tensor)
        if self._ordinary == ORDINARY and self._replay is None:
            self._capture()
        if self._replay is None:
            self._ordinary += 1
            return self.step(rows, drawn)
        self._replay()
        loss, outputs = self._result
        return loss.clone(), outputs.clone()

    def begin_block(self) -> None:
        """Capture again if a tensor has moved: callbacks run between blocks."""
        if self._replay is not None and self._places != self._find_places():
            self._ordinary, self._replay = 0, None

    def _make(self) -> None:
        """Make an ordinary step on the fixed tensors."""
        rows, *drawn = self._inputs
        self._result = self.step(rows, drawn[0] if drawn else None)

    def _capture(self) -> None:
        try:
            if not self._capture_and_try():
                self._give_up("a captured step has other numbers than an ordinary one")
        except (RuntimeError, AssertionError) as error:  # torch's, of what cannot be captured
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            self._give_up(f"the step cannot be captured: {line}")

    def _capture_and_try(self) -> bool:
        """Capture the step and return whether replays are right; all is as before afterwards."""
        before = _Kept(self._all())
        try:
            replay = self.graphs.capture(self._make, self.optimizer)
            result, gradients = self._result, [weight.grad for weight in self._weights()]
            replayed = self._try(replay, before)
            if not all(map(_equal, replayed, self._try(self._make, before))):
                return False
        finally:
            before.put_back()
        self._replay, self._result, self._places = replay, result, self._find_places()
        for weight, gradient in zip(self._weights(), gradients, strict=True):
            weight.grad = gradient  # the one that replays write, for callbacks that look
        return True

    def _try(self, make: Callable[[], None], before: "_Kept") -> list[Tensor]:
        """Return copies of all that some steps leave."""
        before.put_back()
        for _ in range(TRIALS):
            make()
        return [tensor.detach().clone() for tensor in [*self._all(), *self._result]]

    def _give_up(self, why: str) -> None:
        """Go on with ordinary steps, at this learning rate."""
        if self.graphs.required:
            raise GraphFailed(f"trainer.graph=true: {why}; accepted: auto, false")
        log.warning("trainer.graph=auto: %s; steps are made kernel by kernel", why)
        self._ordinary += 1

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def _all(self) -> list[Tensor]:
        states = [entry for state in self.optimizer.state.values() for entry in state.values()]
        return [*self.tensors, *(entry for entry in states if isinstance(entry, Tensor))]

    def _find_places(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self._all()]


class _Kept:
    """Tensors and the generators of random numbers, as they are now."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = [tensor.detach() for tensor in tensors]
        self.device = tensors[0].device
        self.values = [tensor.clone() for tensor in self.tensors]
        self.generators = read_generators(self.device)

    def put_back(self) -> None:
        torch._foreach_copy_(self.tensors, self.values)
        write_generators(self.generators, self.device)


def _equal(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())
