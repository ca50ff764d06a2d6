"""The rounds that a run still has to do, done as one of its processes."""

from typing import TYPE_CHECKING

from lottery.record.disk_errors import disk_errors_in
from lottery.record.schema import Row
from lottery.runs.run_lock import Ownership

if TYPE_CHECKING:
    from lottery.config.experiment import Experiment


def train_rounds(experiment: "Experiment", ownership: Ownership) -> list[Row]:
    """Do the remaining rounds; every process of the run calls this.

    Args:
        experiment: the prepared run.
        ownership: of its folder. It is checked before a round's record is written.

    Returns:
        The rows of the rounds that were asked for.
    """
    from lottery.distributed import is_main
    from lottery.imp import run_rounds
    from lottery.reinit import steps_to_come

    imp = experiment.imp
    todo = imp.rounds.todo(imp.rows())
    later = steps_to_come(imp.reinit, imp.num_steps)
    steps = [later if number else imp.num_steps for number in todo]
    with (
        disk_errors_in(imp.run_dir.path),
        experiment.progress.running(todo, steps, visible=is_main()),
    ):
        return run_rounds(imp, ownership.check_owned)
