"""The networks, each a plain `nn.Module` whose last layer is called `output`."""

from lottery.models.lenet import LeNet5 as LeNet5
from lottery.models.lenet import LeNet300100 as LeNet300100
