"""Damage a run's files, and check what a command says about it."""

from pathlib import Path

from tests.conftest import Done


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def change(file: Path) -> None:
    """Change the last digit, so that a text can still be read; else the last byte."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if byte in b"0123456789"]
    text = file.suffix != ".safetensors" and digits
    content[digits[-1] if text else -1] ^= 1
    file.write_bytes(content)


def round_files(run: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in run.glob("rounds/*/*")}


def assert_one_line(done: Done, code: int, *parts: str) -> None:
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "Error ---" not in done.err
    lines = [line for line in done.err.splitlines() if "error: " in line]
    assert len(lines) == 1, done.err
    assert done.err.splitlines()[-1] == lines[0]
    for part in parts:
        assert part in lines[0]
