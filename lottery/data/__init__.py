"""Datasets as tensors, and the order in which a training sees them."""

from lottery.data.digits import Digits as Digits
from lottery.data.order import BatchOrder as BatchOrder
from lottery.data.splits import Split as Split
from lottery.data.splits import Splits as Splits
