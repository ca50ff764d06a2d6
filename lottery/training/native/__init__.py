"""Train a round of a user's LightningModule by Lightning's own loop; ours are only callbacks."""

from lottery.training.native.fit import NativeFit as NativeFit
from lottery.training.native.image_stream import ImageStream as ImageStream
from lottery.training.native.look import Seen as Seen
from lottery.training.native.look import look as look
from lottery.training.native.metrics import MetricNames as MetricNames
from lottery.training.native.supervised import Supervised as Supervised
