"""Round 0 of another run, taken instead of training the same round again."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lottery.record.dense_rounds import DenseRounds
from lottery.record.files import DamagedFile
from lottery.record.opened_run import OpenedRun
from lottery.record.records import write_record
from lottery.record.run_dir import RunDir
from lottery.record.schema import Record
from lottery.tensors import load_of_run, save_tensors

log = logging.getLogger(__name__)


class UnreadableRun(Exception):
    """Another run cannot be read; `cause` says why."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class Needs:
    """What later rounds start from besides the two ends of the dense training."""

    rewind_step: int  # 0: no state in between
    optimizer: bool  # the optimizer's state at the end


@dataclass(frozen=True)
class DenseSource:
    """The runs that round 0 may be taken from, because all that shapes theirs is equal."""

    trunk: RunDir | None = None  # the run whose masks this run copies
    known: DenseRounds | None = None  # those of other runs, by `digest`
    digest: str | None = None  # of all that shapes round 0; None: no other run's is equal
    takes: bool = True  # False only offers it to others

    def take(self, run_dir: RunDir, needs: Needs) -> bool:
        """Copy round 0 of the first run that has what is needed; return whether there is one.

        The files are copies, not links: damage to one run's files is no damage to another's.
        A run that is gone or damaged is passed over; only the trunk, which a user names, is not.
        """
        try:
            if self.trunk and _copy(OpenedRun(self.trunk), run_dir, needs):
                return True
        except UnreadableRun as error:
            raise error.cause from None
        for run in map(OpenedRun, self._others()):
            try:
                with _reading():
                    equal = _is_there(run) and _shaped_by(run) == self.digest
                if equal and _copy(run, run_dir, needs):
                    return True
            except UnreadableRun as error:
                log.warning("round 0 is not taken from %s: %s", run.path, error.cause)
        return False

    def _others(self) -> list[RunDir]:
        if not self.takes or self.known is None or self.digest is None:
            return []
        return self.known.runs(self.digest)

    def offer(self, run: OpenedRun) -> None:
        """Name a run whose round 0 is finished, so that others can take it."""
        if self.known and _is_there(run) and (digest := _shaped_by(run)):
            self.known.name(run.folder, digest)


def _is_there(run: OpenedRun) -> bool:
    return run.folder.round(0).finished


def _shaped_by(run: OpenedRun) -> str | None:
    trained = run.record(0).get("trained")
    return trained.get("dense") if trained else None


def _copy(run: OpenedRun, run_dir: RunDir, needs: Needs) -> bool:
    """Copy round 0 as this run would have stored it; return False if something needed lacks."""
    folder = run.folder.round(0)
    with _reading():
        record = run.record(0)
        names = _needed(run, record, needs)
    digests = {}
    for name in names:
        with _reading():
            tensors = load_of_run(run, folder.path / name)
        digests[name] = save_tensors(run_dir.round(0).path / name, tensors)
    if names:
        write_record(run_dir, _as_own(run, record, needs), digests)
        run_dir.round(0).checkpoint.unlink(missing_ok=True)  # this run had begun to train it
        log.info("round 0: taken from %s", run.path)
    return bool(names)


def _needed(run: OpenedRun, record: Record, needs: Needs) -> list[str]:
    """Return the names of the files to copy; none if the run has not stored all of them."""
    folder = run.folder.round(0)
    links = record.get("links")
    there = links["files"] if links else {file.name for file in folder.path.glob("*.safetensors")}
    must, may = [folder.masks, folder.start, folder.es, folder.final], []
    if needs.optimizer:
        must.append(folder.final_optimizer)
    if needs.rewind_step:
        must.append(folder.rewind)
        may = [folder.rewind_optimizer, folder.rewind_generators]  # version 0.1 had fewer
        if record["checks"]["rewind_step"] != needs.rewind_step:
            return []
    if any(path.name not in there for path in must):
        return []
    return sorted(path.name for path in (*must, *may) if path.name in there)


def _as_own(run: OpenedRun, record: Record, needs: Needs) -> Record:
    """Return the record with what this run would have written, and the run that has trained it."""
    own: Record = {**record, "checks": {**record["checks"], "rewind_step": needs.rewind_step}}
    own.pop("early_bird", None)  # it looks at the masks that the other run's criterion would make
    if trained := record.get("trained"):
        own["trained"] = {"run": str(run.path), **trained}
    return own


@contextmanager
def _reading() -> Iterator[None]:
    """Tell errors in reading another run from those in writing this one."""
    try:
        yield
    except (DamagedFile, OSError) as error:
        raise UnreadableRun(error) from error
