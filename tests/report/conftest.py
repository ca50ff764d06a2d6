"""Fixtures for tests of the report."""

from pathlib import Path

import pytest

from tests.helpers.toy_records import TRUNK, write_run


@pytest.fixture
def runs(folder: Path) -> list[Path]:
    """Two runs of one setting; the first will be damaged."""
    return [write_run(folder / "o" / TRUNK / f"seed_{seed}") for seed in (0, 1)]
