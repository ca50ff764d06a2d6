"""Several runs in one process whose networks are trained as one: each weight is one tensor."""

from lottery.training.stacked.block import Made as Made
from lottery.training.stacked.block import NextBlock as NextBlock
from lottery.training.stacked.block import TrainTogether as TrainTogether
from lottery.training.stacked.meeting import Meeting as Meeting
from lottery.training.stacked.meeting import current_meeting as current_meeting
