"""Pruning: a criterion scores weights, a scope keeps the best of them, a pruner does a round."""

from lottery.pruning.criteria import LargeInit as LargeInit
from lottery.pruning.criteria import LargeInitLargeFinal as LargeInitLargeFinal
from lottery.pruning.criteria import Magnitude as Magnitude
from lottery.pruning.criteria import MagnitudeIncrease as MagnitudeIncrease
from lottery.pruning.criteria import Movement as Movement
from lottery.pruning.criteria import Random as Random
from lottery.pruning.gradients import GradientMagnitude as GradientMagnitude
from lottery.pruning.gradients import Grasp as Grasp
from lottery.pruning.gradients import Snip as Snip
from lottery.pruning.interface import Criterion as Criterion
from lottery.pruning.interface import Trained as Trained
from lottery.pruning.layer_budgets import Balanced as Balanced
from lottery.pruning.layer_budgets import Erk as Erk
from lottery.pruning.probe import MakeProbe as MakeProbe
from lottery.pruning.probe import Probe as Probe
from lottery.pruning.pruners import BadScores as BadScores
from lottery.pruning.pruners import CopiedPruner as CopiedPruner
from lottery.pruning.pruners import Pruner as Pruner
from lottery.pruning.pruners import ScoredPruner as ScoredPruner
from lottery.pruning.scopes import Global as Global
from lottery.pruning.scopes import Keep as Keep
from lottery.pruning.scopes import Layer as Layer
from lottery.pruning.scopes import Layerwise as Layerwise
from lottery.pruning.scopes import Scope as Scope
from lottery.pruning.synflow import SynFlow as SynFlow
from lottery.pruning.units import Units as Units
