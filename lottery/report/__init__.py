"""What runs tell: a page, tables and figures, made from their records without torch."""

from lottery.report.runs import find_runs
from lottery.report.write import report_at_end, write_report

__all__ = ["find_runs", "report_at_end", "write_report"]
