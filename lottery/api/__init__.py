"""Running and reading experiments from Python."""

from lottery.api.arrays import histories as histories
from lottery.api.command import run as run
from lottery.api.load import Run as Run
from lottery.api.load import load_run as load_run
from lottery.api.load import load_runs as load_runs
from lottery.api.load import load_ticket as load_ticket
from lottery.build import ConfigError as ConfigError
