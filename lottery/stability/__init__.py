"""Stability to SGD noise: copies of a network, the line between two, the barrier on it."""

from lottery.stability.analysis import Analysis as Analysis
from lottery.stability.analysis import Target as Target
from lottery.stability.analysis import analyse as analyse
from lottery.stability.tables import format_summary as format_summary
