"""Check what lottery-ticket prints, and forge tickets."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from lottery.record.files import json_digest, read_json
from lottery.record.run_dir import TicketDir
from lottery.ticket import verify
from tests.conftest import Done

TicketCommand = Callable[..., Done]
IN_FRESH_PROCESS = verify.measure_in_fresh_process
PARTS = ("es", "final", "start", "initial", "masks")


def assert_passed(done: Done) -> None:
    assert (done.code, done.err) == (0, ""), done.out + done.err
    assert done.out.splitlines()[-1] == "PASS"


def assert_refused(done: Done, *words: str, code: int = 2) -> None:
    """Check that the error is one line on stderr with these words."""
    assert done.code == code, done.out + done.err
    assert "Traceback" not in done.err
    line = done.err.splitlines()[-1]
    assert line.startswith("error: ")
    for word in words:
        assert word in line


def failed_lines(done: Done) -> list[str]:
    """Return the failed checks of a table that ends with FAIL."""
    assert done.code == 1, done.out + done.err
    assert done.out.splitlines()[-1] == "FAIL"
    return [line for line in done.out.splitlines() if line.endswith("<-")]


def sign_again(ticket: TicketDir, **changes: Any) -> None:
    """Change ticket.json and make all digests fit, as a forger would."""
    entry = {**read_json(ticket.ticket_json), **changes}
    for name in entry["files"]:
        content = (ticket.path / name).read_bytes()
        entry["files"][name] = hashlib.sha256(content).hexdigest()
    del entry["digest"]
    ticket.ticket_json.write_text(json.dumps({**entry, "digest": json_digest(entry)}))
