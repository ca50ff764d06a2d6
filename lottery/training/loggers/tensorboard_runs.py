"""TensorBoard: the run over the rounds has a file for each of them, and the HParams."""

import shutil
from dataclasses import dataclass
from typing import ClassVar

from pytorch_lightning.loggers import Logger
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lottery.record.opened_run import OpenedRun
from lottery.tensors import load_of_run
from lottery.training.loggers.kinds import Configured, Facts, point_of
from lottery.training.loggers.plain import PlainLogger

# TensorBoard sorts the columns and shows five of them: capitals come first.
TITLES = {
    "criterion": "Criterion",
    "pruning.rate": "Pruning rate",
    "reinit": "Reinit",
    "scope": "Scope",
    "seed": "Seed",
}


@dataclass(frozen=True)
class TensorBoardRuns:
    """Lightning's TensorBoardLogger."""

    own: Configured
    keeps_files: ClassVar[bool] = False

    def begin(self, facts: Facts) -> Logger:
        """Return a logger for a round, whose folder is empty."""
        return PlainLogger(self.own).begin(facts)

    def keep_results(self, run: OpenedRun) -> None:
        """Do nothing: TensorBoard has no artifacts."""

    def summarise(self, run: OpenedRun) -> None:
        """Write a file for each finished round that has none, beside the rounds' own folders."""
        folder = run.path / "tensorboard" / "rounds"
        for number in run.finished_rounds:
            # Numbered by round, because TensorBoard reads a run's files in the order of names.
            path = folder / f"events.out.tfevents.round_{number:04d}"
            if path.exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            aside = folder.with_name(".part")
            shutil.rmtree(aside, ignore_errors=True)  # a killed process left it
            self._write(run, number, str(aside))
            (written,) = aside.iterdir()
            written.replace(path)
            aside.rmdir()

    def _write(self, run: OpenedRun, number: int, aside: str) -> None:
        record = run.record(number)
        with SummaryWriter(aside) as writer:
            if number == 0:
                self._write_hparams(writer)
            for tag, value in point_of(record, self.own.score).items():
                writer.add_scalar(tag, value, number)
            _write_histograms(writer, run, number)

    def _write_hparams(self, writer: SummaryWriter) -> None:
        plain = {}
        for key, value in self.own.settings.items():
            name = key.removesuffix("._target_")
            shown = value if isinstance(value, bool | int | float | str) else str(value)
            # a class without its module
            plain[TITLES.get(name, name)] = shown if name == key else str(value).rpartition(".")[2]
        # SummaryWriter.add_hparams would put them into another run than the scalars.
        scores = (f"{self.own.score.metric}/{split}" for split in ("val", "test"))
        metrics = dict.fromkeys((*scores, "ES", "remaining/all"), 0.0)
        for summary in hparams(plain, metrics):  # type: ignore[no-untyped-call]
            writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]


def _write_histograms(writer: SummaryWriter, run: OpenedRun, number: int) -> None:
    """Write histograms of the weights that are left at the end of the round."""
    folder = run.folder.round(number)
    if not folder.final.exists():  # keep=winner has dropped it
        return
    final = load_of_run(run, folder.final)
    for name, mask in load_of_run(run, folder.masks).items():
        if mask.any():
            writer.add_histogram(f"weights/{name}", final[name][mask], number)
