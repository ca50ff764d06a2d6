"""The networks, each a plain `nn.Module` whose last layer is called `output`."""

from lottery.models.conv import ConvN as ConvN
from lottery.models.lenet import LeNet5 as LeNet5
from lottery.models.lenet import LeNet300100 as LeNet300100
from lottery.models.resnet import ResNet20 as ResNet20
from lottery.models.vgg import VGG16 as VGG16
from lottery.models.vgg import VGG19 as VGG19
from lottery.models.vgg_head import VGG16Base as VGG16Base
from lottery.models.vgg_head import VGG16Head as VGG16Head
