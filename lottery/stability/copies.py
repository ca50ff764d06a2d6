"""The trainings of an analysis: a round's way to step k, and the copies that go on from there."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from lottery.imp import Storage
from lottery.imp.checks import check_first_step, check_trained
from lottery.masks import Masks, masked
from lottery.models.state import Start, State, rest_of
from lottery.progress import Progress, TrainingProgress
from lottery.record.files import write_json
from lottery.record.run_dir import StabilityDir
from lottery.record.stability_schema import CopyJson
from lottery.record.typed import read_typed
from lottery.seeds import derive_seed
from lottery.tensors import digest
from lottery.training import LightningFit
from lottery.training.curves import val_losses

log = logging.getLogger(__name__)

REPAIR = "remove it, and it is made again"
OWN = "own"  # the way to step k, in the run's own order


@dataclass(frozen=True)
class Branch:
    """The network that is copied: a round's, after step k."""

    round: int
    step: int  # k, on the run's clock
    start: Start  # the rest of the training, its weights under the masks
    masks: Masks

    @property
    def digest(self) -> str:
        """The digest of all that copies start from."""
        start = self.start
        masks = {f"mask of {name}": mask for name, mask in self.masks.items()}
        return digest(start.weights | start.buffers | start.optimizer_state | masks)


@dataclass
class Trainings:
    """Does those trainings that are not there yet, each in a folder of its own."""

    fit: LightningFit
    folder: StabilityDir
    buffers: Collection[str]  # names of the network's buffers
    progress: Progress
    done: int = 0

    def branch(self, number: int, start: Start, masks: Masks, step: int) -> Branch:
        """Return a round's network after step k; train it that far in the run's own order."""
        start = replace(start, weights=masked(start.weights, masks))
        # each copy has its own noise of dropout, and so its own generators
        of_copies = replace(start, generators={})
        if step == start.first_step:
            return Branch(number, step, of_copies, masks)
        way = replace(start, num_steps=step - start.first_step)
        # the round itself got further than this: its early stopping comes later
        fit = replace(self.fit, evaluation=replace(self.fit.evaluation, patience=None))
        state = self._end(fit, OWN, Branch(number, step, way, masks), with_optimizer=True)
        return Branch(number, step, rest_of(of_copies, state, step), masks)

    def copy(self, branch: Branch, number: int) -> State:
        """Return the end of a copy's training.

        Copies of one number see the same data in every round. Therefore a ticket's copy can be
        compared with the dense network's.
        """
        return self._end(with_noise(self.fit, number), copy_name(number), branch)

    def is_there(self, number: int, step: int, name: str) -> bool:
        """Return whether a training is finished."""
        return self.folder.training(step, name).round(number).finished

    def _end(
        self, fit: LightningFit, name: str, branch: Branch, *, with_optimizer: bool = False
    ) -> State:
        """Return the state after the last step, from its file or by training."""
        run_dir = self.folder.training(branch.step, name)
        storage, folder = Storage(run_dir, self.buffers, linked=False), run_dir.round(branch.round)
        if folder.finished:
            entry = read_typed(folder.record, CopyJson, REPAIR)
            end = storage.final(branch.round) if entry["start"] == branch.digest else None
            if end and ("end" not in entry or entry["end"] == state_digest(end)):
                return replace(end, val_losses=entry.get("val_losses", []))
            log.warning("%s: has another %s; made again", folder.path, "end" if end else "start")
        self.done += 1
        fit = replace(
            fit, run_dir=run_dir, progress=TrainingProgress(self.progress, number=self.done)
        )
        outcome = fit(branch.round, branch.start, branch.masks, None)
        stored = State(branch.start.weights, branch.start.buffers)
        ends = {"at the end": outcome.final}
        checks = check_first_step(branch.round, outcome.first_seen, outcome.first_expected)
        checks |= check_trained(branch.round, outcome.started, stored, ends, branch.masks)
        storage.save_final(branch.round, outcome.final, with_optimizer=with_optimizer)
        content: CopyJson = {
            "start": branch.digest,
            "end": state_digest(outcome.final),
            "steps": outcome.steps,
            "checks": checks,
            "val_losses": val_losses(outcome.history),
        }
        write_json(folder.record, content)
        folder.checkpoint.unlink(missing_ok=True)
        return replace(storage.final(branch.round), val_losses=content["val_losses"])


def with_noise(fit: LightningFit, number: int) -> LightningFit:
    """Return a training with other data order, augmentation and dropout than the run's."""
    order = fit.data_order
    noise = replace(
        order,
        seed=derive_seed(order.seed, "copy", number),
        augmentation_seed=derive_seed(order.augmentation_seed, "copy", number),
        fixed=True,
    )
    return replace(fit, data_order=noise)


def state_digest(state: State) -> str:
    """Return the digest of a network: of its weights and buffers."""
    return digest(state.weights | state.buffers)


def copy_name(number: int) -> str:
    """Return the name of a copy's folder."""
    return f"copy_{number}"
