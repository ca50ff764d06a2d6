"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from lottery.imp.checks import BrokenInvariant as BrokenInvariant
from lottery.imp.loop import Imp as Imp
from lottery.imp.loop import NothingToRewindTo as NothingToRewindTo
from lottery.imp.loop import run_rounds as run_rounds
from lottery.imp.round_start import round_start as round_start
from lottery.imp.storage import Storage as Storage
