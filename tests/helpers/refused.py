"""Commands that a test expects to be refused."""

from tests.conftest import Done


def assert_one_line(done: Done, key: str, value: str) -> None:
    """Check that a mistake is one line that names the key and shows the value."""
    assert done.code == 2, done.err
    assert done.out == ""
    lines = done.err.splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    assert key in lines[0]
    assert value.lower() in lines[0].lower()
