"""Datasets as tensors, and the order in which a training sees them."""

from lottery.data.augmentation import CropAndFlip as CropAndFlip
from lottery.data.augmentation import Draws as Draws
from lottery.data.batch_order import BatchOrder as BatchOrder
from lottery.data.cifar import Cifar as Cifar
from lottery.data.digits import Digits as Digits
from lottery.data.errors import DataError as DataError
from lottery.data.image_augmentation import ResizedCropAndFlip as ResizedCropAndFlip
from lottery.data.image_folder import ImageFolder as ImageFolder
from lottery.data.mnist import Mnist as Mnist
from lottery.data.modular_addition import ModularAddition as ModularAddition
from lottery.data.scaling import Scaling as Scaling
from lottery.data.splits import Split as Split
from lottery.data.splits import Splits as Splits
from lottery.data.tabular import Tabular as Tabular
from lottery.data.text import Text as Text
from lottery.data.tiny_imagenet import TinyImageNet as TinyImageNet
