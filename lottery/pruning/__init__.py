"""Pruning: a criterion scores weights, a scope keeps the best of them, a pruner does a round."""

from lottery.pruning.criteria import Criterion as Criterion
from lottery.pruning.criteria import Magnitude as Magnitude
from lottery.pruning.criteria import Random as Random
from lottery.pruning.criteria import Trained as Trained
from lottery.pruning.pruners import CopiedPruner as CopiedPruner
from lottery.pruning.pruners import Pruner as Pruner
from lottery.pruning.pruners import ScoredPruner as ScoredPruner
from lottery.pruning.scopes import Global as Global
from lottery.pruning.scopes import Keep as Keep
from lottery.pruning.scopes import Layer as Layer
from lottery.pruning.scopes import Layerwise as Layerwise
from lottery.pruning.scopes import Scope as Scope
