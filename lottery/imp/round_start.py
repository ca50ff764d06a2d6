"""The start of a finished round again, for what goes on from it after the run."""

import errno
import os

from lottery.imp.checks import check_start
from lottery.imp.loop import Imp, stored_for
from lottery.masks import Masks
from lottery.models.state import Start, State, start_at


def round_start(imp: Imp, number: int, masks: Masks) -> Start:
    """The start of a finished round, dense, with its place on the clock and in the schedule.

    Args:
        imp: the run.
        number: the round.
        masks: the round's.

    Raises:
        BrokenInvariant: it is not what the round has stored as its start.
        FileNotFoundError: what it is made from is gone: `keep=winner` has dropped it.
    """
    if number == 0:
        start = start_at(imp.storage.initial(), imp.num_steps)
    else:
        previous = max(done for done in imp.run_dir.finished_rounds() if done < number)
        if imp.reinit.source == "last" and not imp.storage.has_final(previous):
            final = imp.run_dir.round(previous).final
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(final))
        start = imp.reinit(stored_for(imp, number, previous))
    if imp.run_dir.round(number).start.exists():
        dense = State(start.weights, start.buffers)
        check_start(number, imp.storage.start(number), dense, masks)
    return start
