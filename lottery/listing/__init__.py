"""The list of runs: which there are, how far they are, and how it is written."""

from lottery.listing.runs import ListedRun as ListedRun
from lottery.listing.runs import list_runs as list_runs
from lottery.listing.words import format_list as format_list
from lottery.listing.words import to_entry as to_entry
from lottery.listing.words import to_tab_separated as to_tab_separated
