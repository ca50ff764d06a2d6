"""The GPUs, the machine's or emulated ones, and the mark of all tests of this folder."""

import os
from pathlib import Path

import pytest

from tests.conftest import ALL_GPUS, VISIBLE_GPUS
from tests.helpers.gpus import Gpus, find_gpus


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("gpu")


@pytest.fixture(scope="session")
def gpus(request: pytest.FixtureRequest) -> Gpus:
    """Find the GPUs; skip the test if there are none."""
    visible = os.environ[VISIBLE_GPUS]
    cache = Path(request.config.cache.mkdir("emulated_gpu"))
    found = find_gpus(cache, None if visible == ALL_GPUS else visible)
    if isinstance(found, str):
        pytest.skip(found)
    return found
