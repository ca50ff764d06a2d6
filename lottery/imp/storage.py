"""The files of a run's rounds, read and written as states of the network.

Only this file of the room knows that a run may have several processes. Rank 0 alone touches the
disk, and the other ranks get what it reads: all ranks must call the same methods.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch

from lottery.distributed import from_main
from lottery.errors import LotteryError
from lottery.imp.dense_source import DenseSource, Needs
from lottery.imp.round_folders import drop_unneeded, link_older_rounds
from lottery.masks import Masks, masked
from lottery.models.state import Start, State
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record, Row
from lottery.record.score import ACCURACY, Score
from lottery.record.tables import write_tables
from lottery.tensors import Tensors, digest, load_tensors, save_tensors
from lottery.training import Outcome
from lottery.training.curves import val_losses


class NothingToRewindTo(LotteryError):
    """Early stopping ended the dense training before the rewind point."""


@dataclass(frozen=True)
class Storage:
    """The files of a run's rounds."""

    run_dir: RunDir
    buffers: Collection[str]  # names; a tensor file holds weights and buffers
    keep: str = "all"  # "winner" drops weights that nothing needs
    score: Score = ACCURACY  # decides which round wins
    dense: DenseSource = field(default_factory=DenseSource)  # whose round 0 may be ours too
    update_summary: Callable[[OpenedRun], None] = lambda _: None  # for TensorBoard
    linked: bool = True  # the records name the digests of files; not those of stability copies
    # Digests of the tensors that this process has written; only rank 0 has them.
    _written: dict[Path, str] = field(default_factory=dict, init=False, repr=False)

    def remove_leftovers(self) -> None:
        """Remove what killed processes have left in the middle of a write."""
        from_main(self.run_dir.remove_leftovers)

    def link_older_rounds(self) -> None:
        """Link the rounds that an older version has finished."""
        from_main(lambda: link_older_rounds(self.run_dir))

    def rows(self) -> list[Row]:
        """Read the rows of all finished rounds, by round."""
        return from_main(lambda: OpenedRun(self.run_dir).rows)

    def take_dense_round(self, rewind_step: int, *, with_optimizer: bool) -> bool:
        """Copy round 0 of another run that has trained the same one; False if there is none."""
        needs = Needs(rewind_step, with_optimizer)
        return from_main(lambda: self.dense.take(self.run_dir, needs))

    def update_tables(self) -> list[Row]:
        """Bring what is made from the records up to date; return the rows of finished rounds."""
        run = OpenedRun(self.run_dir)
        from_main(lambda: write_tables(run))
        from_main(lambda: self.update_summary(run))
        from_main(lambda: self.dense.offer(run))
        return from_main(lambda: run.rows)

    def drop_unneeded(self, rows: Sequence[Row]) -> None:
        """Drop weights that nothing needs, under keep=winner; `rows` are all finished rounds'."""
        if self.keep == "winner":
            from_main(lambda: drop_unneeded(self.run_dir, rows, self.score))

    def initial(self) -> State:
        """Read the dense network before its first step, W_0."""
        return self._read(self.run_dir.round(0).start)

    def initial_digest(self) -> str | None:
        """Return the digest that W_0 must have."""
        return from_main(lambda: self._digest_of(self.run_dir.round(0).start))

    def initial_digest_now(self) -> str:
        """Return the digest of W_0 as its file is now."""
        path = self.run_dir.round(0).start
        return from_main(lambda: digest(load_tensors(path, check=False)))

    def rewind_point(self, step: int) -> State:
        """Read round 0's whole state at the rewind point k > 0."""
        folder = self.run_dir.round(0)
        if not self._is_there(folder.rewind):
            raise NothingToRewindTo(
                f"round 0 has stopped before step {step}, which reinit.to names"
            )
        state = self._read(folder.rewind, folder.rewind_optimizer)
        history = from_main(lambda: OpenedRun(self.run_dir).record(0)["history"])
        return replace(
            state,
            generators=self._load_if_there(folder.rewind_generators),
            val_losses=val_losses(entry for entry in history if entry["iteration"] <= step),
        )

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
        path = self.run_dir.round(number).masks
        masks = self._load(path)
        for name, mask in masks.items():
            if mask.dtype != torch.bool:
                raise DamagedFile(f"{path}: {name} is of {mask.dtype}, a mask is of torch.bool")
        return masks

    def save_masks(self, number: int, masks: Masks, *, at_start: bool = False) -> None:
        """Write the masks of round `number`, or those at its start if they will move."""
        folder = self.run_dir.round(number)
        self._save(folder.start_masks if at_start else folder.masks, masks)

    def save_start(self, number: int, start: Start, masks: Masks) -> None:
        """Write a start under its masks."""
        folder = self.run_dir.round(number)
        self._save(folder.start, masked(start.weights, masks) | start.buffers)

    def save_outcome(self, number: int, outcome: Outcome, *, with_optimizer: bool) -> None:
        """Write a training's weights, and the optimizer state if the next round needs it."""
        folder = self.run_dir.round(number)
        self._save(folder.es, outcome.es.weights | outcome.es.buffers)
        self.save_final(number, outcome.final, with_optimizer=with_optimizer)
        if outcome.kept is not None:
            self._save(folder.rewind, outcome.kept.weights | outcome.kept.buffers)
            self._save(folder.rewind_optimizer, outcome.kept.optimizer)
            self._save(folder.rewind_generators, outcome.kept.generators)

    def save_final(self, number: int, final: State, *, with_optimizer: bool) -> None:
        """Write the end of round `number`, and the optimizer state if training goes on."""
        folder = self.run_dir.round(number)
        self._save(folder.final, final.weights | final.buffers)
        if with_optimizer:
            self._save(folder.final_optimizer, final.optimizer)

    def finish_round(self, record: Record, check_owned: Callable[[], None]) -> None:
        """Write a round's record, which makes the round finished."""

        def finish() -> None:
            check_owned()
            folder = self.run_dir.round(record["row"]["round"])
            written = {p.name: d for p, d in self._written.items() if p.parent == folder.path}
            write_record(self.run_dir, record, written)
            folder.checkpoint.unlink(missing_ok=True)

        from_main(finish)

    def _read(self, path: Path, optimizer: Path | None = None) -> State:
        tensors = self._load(path)
        return State(
            weights={name: t for name, t in tensors.items() if name not in self.buffers},
            buffers={name: t for name, t in tensors.items() if name in self.buffers},
            optimizer=self._load_if_there(optimizer) if optimizer else {},
        )

    def _load(self, path: Path) -> Tensors:
        return from_main(
            lambda: load_tensors(path, self._digest_of(path), needs_digest=not self.linked)
        )

    def _load_if_there(self, path: Path) -> Tensors:
        return self._load(path) if self._is_there(path) else {}

    def _is_there(self, path: Path) -> bool:
        """Return whether a file is there, or is missing where a record names it."""
        return from_main(lambda: path.exists() or self._digest_of(path) is not None)

    def _save(self, path: Path, tensors: Tensors) -> None:
        def save() -> None:
            self._written[path] = save_tensors(path, tensors)

        from_main(save)

    def _digest_of(self, path: Path) -> str | None:
        """Return the digest that a file must have; None if nothing states it."""
        if path in self._written or not self.linked:
            return self._written.get(path)
        return self._finished.digest_of(path)

    @cached_property
    def _finished(self) -> OpenedRun:
        """The rounds that were finished before this process."""
        return OpenedRun(self.run_dir)
