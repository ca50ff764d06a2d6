"""The ticket of a round: its folder, what must hold of it, other forms of its weights."""

from lottery.ticket.checks import Check as Check
from lottery.ticket.checks import check_run as check_run
from lottery.ticket.checks import check_tensors as check_tensors
from lottery.ticket.checks import format_checks as format_checks
from lottery.ticket.export import FORMS as FORMS
from lottery.ticket.files import PARTS as PARTS
from lottery.ticket.files import WEIGHTS as WEIGHTS
from lottery.ticket.files import TicketTensors as TicketTensors
from lottery.ticket.files import load_part as load_part
from lottery.ticket.files import read_ticket as read_ticket
from lottery.ticket.files import write_ticket as write_ticket
