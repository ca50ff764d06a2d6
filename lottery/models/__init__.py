"""The networks, each a plain `nn.Module`.

The last layer is called `output`, except where names are another library's so that its weights
fit: `fc` in torchvision's ResNets, `classifier.6` in its VGG-16, `head` in timm's ViT.
"""

from lottery.models.conv import ConvN as ConvN
from lottery.models.imagenet_resnet import ImageNetResNet as ImageNetResNet
from lottery.models.lenet import LeNet5 as LeNet5
from lottery.models.lenet import LeNet300100 as LeNet300100
from lottery.models.resnet import ResNet as ResNet
from lottery.models.resnet import ResNet20 as ResNet20
from lottery.models.transformer import Transformer as Transformer
from lottery.models.vgg import VGG as VGG
from lottery.models.vgg import VGG16 as VGG16
from lottery.models.vgg import VGG19 as VGG19
from lottery.models.vgg_head import VGG16Base as VGG16Base
from lottery.models.vgg_head import VGG16Head as VGG16Head
from lottery.models.vit import VisionTransformer as VisionTransformer
from lottery.models.wide_resnet import WideResNet as WideResNet
