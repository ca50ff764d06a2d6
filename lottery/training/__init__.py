"""Training one round with Lightning: blocks of steps, masks kept, evaluation, early stopping."""

from lottery.training.early_bird import EarlyBird as EarlyBird
from lottery.training.fit import Device as Device
from lottery.training.fit import Diverged as Diverged
from lottery.training.fit import LightningFit as LightningFit
from lottery.training.fit import Outcome as Outcome
