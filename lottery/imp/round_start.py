"""The start of a finished round, made again for work that goes on from it after the run."""

import errno
import os

from lottery.imp.checks import check_start
from lottery.imp.imp import Imp
from lottery.imp.stages import read_stored
from lottery.masks import Masks
from lottery.models.state import Start, State, start_at


def round_start(imp: Imp, number: int, masks: Masks) -> Start:
    """Make the start of a finished round again, dense, with its clock and schedule.

    It is compared with the start that the round has stored. A FileNotFoundError names what
    `keep=winner` has dropped.
    """
    storage = imp.storage
    if number == 0:
        start = start_at(storage.initial(), imp.num_steps)
    else:
        previous = max(done for done in imp.run_dir.finished_rounds() if done < number)
        if imp.reinit.source == "last" and not storage.has_final(previous):
            final = imp.run_dir.round(previous).final
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(final))
        start = imp.reinit(read_stored(imp, number, previous))
    if imp.run_dir.round(number).start.exists():
        dense = State(start.weights, start.buffers)
        check_start(number, stored=storage.start(number), dense=dense, masks=masks)
    return start
