"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from lottery.imp.checks import BrokenInvariant as BrokenInvariant
from lottery.imp.driver import Imp as Imp
from lottery.imp.driver import NothingToRewindTo as NothingToRewindTo
from lottery.imp.driver import run_rounds as run_rounds
from lottery.imp.starts import round_start as round_start
from lottery.imp.storage import Storage as Storage
