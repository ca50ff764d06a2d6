"""Iterative magnitude pruning: train, prune, rewind, repeat."""

from lottery.imp.checks import BrokenInvariant as BrokenInvariant
from lottery.imp.dense_source import DenseSource as DenseSource
from lottery.imp.imp import Fit as Fit
from lottery.imp.imp import Imp as Imp
from lottery.imp.loop import run_rounds as run_rounds
from lottery.imp.pruning import Pruning as Pruning
from lottery.imp.round_start import round_start as round_start
from lottery.imp.rounds import Rounds as Rounds
from lottery.imp.storage import NothingToRewindTo as NothingToRewindTo
from lottery.imp.storage import Storage as Storage
from lottery.imp.train_cost import TrainCost as TrainCost
