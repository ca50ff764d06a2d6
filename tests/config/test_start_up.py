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
        ("lottery.cli.claims", ["run", "--help"], "--dry-run"),
        ("lottery.cli.data", ["download", "--help"], "--base-url"),
        ("lottery.cli.report", ["--help"], "--out"),
        ("lottery.cli.stability", ["--help"], "RUN_DIR"),
        ("lottery.cli.ticket", ["--help"], "--export"),
    ],
)
def test_help_needs_no_heavy_library(module: str, arguments: list[str], shown: str) -> None:
    done = real_program(PROGRAM.format(module=module, words=["lottery", *arguments]))
    assert (done.code, done.err) == (0, "")
    assert shown in done.out
    assert done.out.splitlines()[-1] == "[]"
