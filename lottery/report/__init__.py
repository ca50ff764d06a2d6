"""Make a page, tables and figures from the records of runs; this needs no torch."""

from lottery.report.read.runs import find_runs
from lottery.report.text import report_text
from lottery.report.write import report_at_end, write_report

__all__ = ["find_runs", "report_at_end", "report_text", "write_report"]
