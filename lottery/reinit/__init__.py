"""Where a round's training starts: dense weights, which the round's masks then cut."""

from lottery.reinit.interface import Reinit as Reinit
from lottery.reinit.interface import Stored as Stored
from lottery.reinit.interface import steps_to_come as steps_to_come
from lottery.reinit.restart import Random as Random
from lottery.reinit.restart import Rewind as Rewind
from lottery.reinit.restart import Sign as Sign
from lottery.reinit.retrain import Continue as Continue
from lottery.reinit.retrain import Finetune as Finetune
from lottery.reinit.retrain import LrRewind as LrRewind
