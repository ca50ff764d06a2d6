"""The files of a run's rounds, read and written as states of the network.

Only this file of the room knows that a run may have several processes. Rank 0 alone touches the
disk, and the other ranks get what it reads: all ranks must call the same methods.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lottery.distributed import from_main
from lottery.errors import LotteryError
from lottery.imp.round_folders import copy_dense_round, drop_unneeded
from lottery.masks import Masks, masked
from lottery.models.state import Start, State
from lottery.record.records import read_record, read_records, write_record
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record, Row
from lottery.record.tables import write_tables
from lottery.tensors import Tensors, digest, load_tensors, save_tensors
from lottery.training import Outcome


class NothingToRewindTo(LotteryError):
    """Early stopping ended the dense training before the rewind point."""


@dataclass(frozen=True)
class Storage:
    """The files of a run's rounds."""

    run_dir: RunDir
    buffers: Collection[str]  # names; a tensor file holds weights and buffers
    keep: str = "all"  # "winner" drops weights that nothing needs
    dense_from: RunDir | None = None  # the run whose round 0 is this run's too
    update_summary: Callable[[], None] = lambda: None  # writes TensorBoard's summary of the run

    def remove_leftovers(self) -> None:
        """Remove what killed processes have left in the middle of a write."""
        from_main(self.run_dir.remove_leftovers)

    def rows(self) -> list[Row]:
        """Read the rows of all finished rounds, by round."""
        return from_main(lambda: [record["row"] for record in read_records(self.run_dir)])

    def adopt_dense_round(self, trunk: RunDir) -> Row:
        """Copy round 0 of another run, and return its row."""

        def copy() -> Row:
            copy_dense_round(trunk, self.run_dir)
            return read_record(self.run_dir.round(0))["row"]

        return from_main(copy)

    def update_tables(self) -> None:
        """Bring the tables, and what else is made from the records, up to date."""
        from_main(lambda: write_tables(self.run_dir))
        from_main(self.update_summary)

    def drop_unneeded(self, rows: Sequence[Row]) -> None:
        """Drop weights that nothing needs, under keep=winner; `rows` are all finished rounds'."""
        if self.keep == "winner":
            from_main(lambda: drop_unneeded(self.run_dir, rows))

    def initial(self) -> State:
        """Read the dense network before its first step, W_0."""
        return self._read(self.run_dir.round(0).start)

    def initial_digest(self) -> str:
        """Return the digest of the stored W_0, for comparison with what it was before."""
        path = self.run_dir.round(0).start
        return from_main(lambda: digest(load_tensors(path, check=False)))

    def rewind_point(self, step: int) -> State:
        """Read round 0's whole state at the rewind point k > 0."""
        folder = self.run_dir.round(0)
        if not from_main(folder.rewind.exists):
            raise NothingToRewindTo(
                f"round 0 has stopped before step {step}, which reinit.to names"
            )
        state = self._read(folder.rewind, folder.rewind_optimizer)
        return replace(state, generators=_load_if_there(folder.rewind_generators))

    def start(self, number: int) -> State:
        """Read what round `number` starts from, under its masks."""
        return self._read(self.run_dir.round(number).start)

    def has_final(self, number: int) -> bool:
        """Return whether the end of round `number` is there; keep=winner may have dropped it."""
        return from_main(self.run_dir.round(number).final.exists)

    def final(self, number: int) -> State:
        """Read the end of round `number`."""
        folder = self.run_dir.round(number)
        return self._read(folder.final, folder.final_optimizer)

    def masks(self, number: int) -> Masks:
        """Read the masks of round `number`."""
        return _load(self.run_dir.round(number).masks)

    def save_masks(self, number: int, masks: Masks) -> None:
        """Write the masks of round `number`."""
        _save(self.run_dir.round(number).masks, masks)

    def save_start(self, number: int, start: Start, masks: Masks) -> None:
        """Write a start under its masks."""
        folder = self.run_dir.round(number)
        _save(folder.start, masked(start.weights, masks) | start.buffers)

    def save_outcome(self, number: int, outcome: Outcome, *, with_optimizer: bool) -> None:
        """Write a training's weights, and the optimizer state if the next round needs it."""
        folder = self.run_dir.round(number)
        _save(folder.es, outcome.es.weights | outcome.es.buffers)
        self.save_final(number, outcome.final, with_optimizer=with_optimizer)
        if outcome.kept is not None:
            _save(folder.rewind, outcome.kept.weights | outcome.kept.buffers)
            _save(folder.rewind_optimizer, outcome.kept.optimizer)
            _save(folder.rewind_generators, outcome.kept.generators)

    def save_final(self, number: int, final: State, *, with_optimizer: bool) -> None:
        """Write the end of round `number`, and the optimizer state if training goes on."""
        folder = self.run_dir.round(number)
        _save(folder.final, final.weights | final.buffers)
        if with_optimizer:
            _save(folder.final_optimizer, final.optimizer)

    def finish_round(self, record: Record, check_owned: Callable[[], None]) -> None:
        """Write a round's record, which makes the round finished."""

        def finish() -> None:
            check_owned()
            write_record(self.run_dir, record)
            self.run_dir.round(record["row"]["round"]).checkpoint.unlink(missing_ok=True)

        from_main(finish)

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
