"""Help is there at once: commands import what they need when they need it."""

import pytest

from tests.conftest import real_program

PROGRAM = """
import sys
from {module} import main
sys.argv = {words}
try:
    main()
except SystemExit:
    print([name for name in ("torch", "pandas", "matplotlib") if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("module", "arguments", "shown"),
    [
        ("lottery.data_command", ["download", "--help"], "--base-url"),
        ("lottery.report_command", ["--help"], "--out"),
        ("lottery.stability_command", ["--help"], "RUN_DIR"),
        ("lottery.ticket_command", ["--help"], "--export"),
    ],
)
def test_help_needs_no_heavy_library(module: str, arguments: list[str], shown: str) -> None:
    done = real_program(PROGRAM.format(module=module, words=["lottery", *arguments]))
    assert (done.code, done.err) == (0, "")
    assert shown in done.out
    assert done.out.splitlines()[-1] == "[]"
