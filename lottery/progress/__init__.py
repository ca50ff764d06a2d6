"""Show how far a run is: live on a terminal; elsewhere, and in the log file, by lines."""

from lottery.progress.display import Display as Display
from lottery.progress.display import Progress as Progress
from lottery.progress.display import TrainingProgress as TrainingProgress
from lottery.progress.handlers import INSTEAD_OF_SCREEN as INSTEAD_OF_SCREEN
from lottery.progress.handlers import LINES as LINES
from lottery.progress.handlers import LogFile as LogFile
from lottery.progress.handlers import StderrHandler as StderrHandler
