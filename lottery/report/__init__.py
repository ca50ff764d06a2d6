"""Make a page, tables and figures from the records of runs; this needs no torch."""

from lottery.report.read.runs import NoRun, find_runs
from lottery.report.write import report_at_end, write_report

__all__ = ["NoRun", "find_runs", "report_at_end", "write_report"]
