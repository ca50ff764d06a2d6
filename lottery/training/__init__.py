"""Train one round with Lightning: blocks of steps, masks kept, evaluation, early stopping."""

from lottery.training.blocks import DataOrder as DataOrder
from lottery.training.device import Device as Device
from lottery.training.early_bird import EarlyBird as EarlyBird
from lottery.training.evaluation import EvaluationSchedule as EvaluationSchedule
from lottery.training.fit import LightningFit as LightningFit
from lottery.training.fit import Outcome as Outcome
from lottery.training.module import Diverged as Diverged
from lottery.training.module import Optimization as Optimization
