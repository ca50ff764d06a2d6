"""Masks and weights of rounds and runs side by side: overlap, signs, connections."""

from lottery.comparison.compare import Comparison as Comparison
from lottery.comparison.compare import choose_rounds as choose_rounds
from lottery.comparison.compare import compare_runs as compare_runs
from lottery.comparison.words import format_comparison as format_comparison
from lottery.comparison.write import write_comparison as write_comparison
