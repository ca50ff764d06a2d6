"""Show how far a run is: a live bar on a terminal; elsewhere, and in the log file, lines."""

from lottery.progress.display import Display as Display
from lottery.progress.display import Progress as Progress
from lottery.progress.display import TrainingProgress as TrainingProgress
from lottery.progress.handlers import LogFile as LogFile
from lottery.progress.handlers import StderrHandler as StderrHandler
