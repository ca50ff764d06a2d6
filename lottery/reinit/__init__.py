"""Where the next round's training starts: dense weights, which the round's masks then cut."""

from lottery.reinit.anew import Random as Random
from lottery.reinit.anew import Sign as Sign
from lottery.reinit.go_on import Continue as Continue
from lottery.reinit.go_on import Finetune as Finetune
from lottery.reinit.go_on import LrRewind as LrRewind
from lottery.reinit.go_on import steps_to_come as steps_to_come
from lottery.reinit.interface import Reinit as Reinit
from lottery.reinit.interface import Stored as Stored
from lottery.reinit.rewind import Rewind as Rewind
