"""What a network is trained for: its loss, its score, and the other metrics of its results."""

from lottery.tasks.binary import Binary as Binary
from lottery.tasks.classification import Classification as Classification
from lottery.tasks.interface import Loss as Loss
from lottery.tasks.interface import Task as Task
from lottery.tasks.language_model import LanguageModel as LanguageModel
from lottery.tasks.multilabel import Multilabel as Multilabel
from lottery.tasks.regression import Regression as Regression
