"""What the rounds leave on disk, read and written as states of the network.

Rank 0 alone touches the disk; the other processes of a run get from it what it reads.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from lottery.distributed import from_main
from lottery.masks import Masks, masked
from lottery.models.state import Start, State
from lottery.record.run_dir import RunDir
from lottery.tensors import Tensors, digest, load_tensors, save_tensors
from lottery.training import Outcome


@dataclass(frozen=True)
class Storage:
    """The tensors of a run's rounds.

    Args:
        run_dir: the run.
        buffers: names of the network's persistent buffers; a file holds weights and buffers.
    """

    run_dir: RunDir
    buffers: Collection[str]

    def initial(self) -> State:
        """The dense network before its first step, W_0."""
        return self._read(self.run_dir.round(0).start)

    def initial_digest(self) -> str:
        """Digest of the stored W_0 as it is now, which is compared with what it was."""
        path = self.run_dir.round(0).start
        return from_main(lambda: digest(load_tensors(path, check=False)))

    def has_rewind_point(self) -> bool:
        """Whether round 0 has reached the step to rewind to."""
        return from_main(self.run_dir.round(0).rewind.exists)

    def rewind_point(self) -> State:
        """Round 0's whole state at the step to rewind to, where that is not 0."""
        folder = self.run_dir.round(0)
        state = self._read(folder.rewind, folder.rewind_optimizer)
        return replace(state, generators=_load_if_there(folder.rewind_generators))

    def start(self, number: int) -> State:
        """What round `number` starts from, under its mask."""
        return self._read(self.run_dir.round(number).start)

    def has_final(self, number: int) -> bool:
        """Whether the end of round `number` is there: keep=winner may have dropped it."""
        return from_main(self.run_dir.round(number).final.exists)

    def final(self, number: int) -> State:
        """The end of round `number`."""
        folder = self.run_dir.round(number)
        return self._read(folder.final, folder.final_optimizer)

    def masks(self, number: int) -> Masks:
        """Round `number`'s masks."""
        return _load(self.run_dir.round(number).masks)

    def save_masks(self, number: int, masks: Masks) -> None:
        """Store round `number`'s masks."""
        _save(self.run_dir.round(number).masks, masks)

    def save_start(self, number: int, start: Start, masks: Masks) -> None:
        """Store a start under its mask."""
        folder = self.run_dir.round(number)
        _save(folder.start, masked(start.weights, masks) | start.buffers)

    def save_outcome(self, number: int, outcome: Outcome, *, with_optimizer: bool) -> None:
        """Store a training's weights, and the optimizer state where a round carries it on."""
        folder = self.run_dir.round(number)
        _save(folder.es, outcome.es.weights | outcome.es.buffers)
        self.save_final(number, outcome.final, with_optimizer=with_optimizer)
        if outcome.kept is not None:
            _save(folder.rewind, outcome.kept.weights | outcome.kept.buffers)
            _save(folder.rewind_optimizer, outcome.kept.optimizer)
            _save(folder.rewind_generators, outcome.kept.generators)

    def save_final(self, number: int, final: State, *, with_optimizer: bool) -> None:
        """Store the end of round `number`, and the optimizer state where training goes on."""
        folder = self.run_dir.round(number)
        _save(folder.final, final.weights | final.buffers)
        if with_optimizer:
            _save(folder.final_optimizer, final.optimizer)

    def _read(self, path: Path, optimizer: Path | None = None) -> State:
        tensors = _load(path)
        return State(
            weights={name: t for name, t in tensors.items() if name not in self.buffers},
            buffers={name: t for name, t in tensors.items() if name in self.buffers},
            optimizer=_load_if_there(optimizer) if optimizer else {},
        )


def _load(path: Path) -> Tensors:
    return from_main(lambda: load_tensors(path))


def _load_if_there(path: Path) -> Tensors:
    return _load(path) if from_main(path.exists) else {}


def _save(path: Path, tensors: Tensors) -> None:
    from_main(lambda: save_tensors(path, tensors))
