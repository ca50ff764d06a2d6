"""What datasets that are fetched by name share: checks, and what is said of missing files."""

import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lottery.data.errors import DataError
from lottery.data.scaling import check_normalize


class Fetched(Protocol):
    """A dataset whose files lie in a folder, or can be fetched."""

    @property
    def name(self) -> str:
        """As `lottery-data download` takes it."""

    @property
    def root(self) -> str:
        """Folder of all datasets."""

    @property
    def folder(self) -> Path:
        """Where the files are."""

    @property
    def download(self) -> bool:
        """Whether files that are missing are fetched."""

    @property
    def base_url(self) -> str:
        """Where from."""

    def fetch(self) -> None:
        """Download the files that are not there."""


def check_arguments(dataset: Fetched, names: Collection[str], normalize: str) -> None:
    """Refuses a name and a normalisation that are not known.

    Raises:
        ValueError: naming the argument.
    """
    if dataset.name not in names:
        raise ValueError(f"name={dataset.name!r}: {' or '.join(names)}")
    check_normalize(normalize)
    if not isinstance(dataset.base_url, str):
        raise ValueError(f"base_url={dataset.base_url}: a text")


def fetch_missing(dataset: Fetched, missing: Sequence[str]) -> None:
    """Fetches what is missing where a dataset may.

    Args:
        dataset: whose files they are.
        missing: names of the files that are not there.

    Raises:
        DataError: it may not, or they cannot be had.
    """
    if missing and dataset.download:
        dataset.fetch()
    elif missing:
        raise DataError(
            f"{dataset.folder}: {missing[0]} is missing; "
            f"to fetch it from {dataset.base_url}: {_command(dataset)}"
        )


@contextmanager
def naming_the_command(dataset: Fetched) -> Iterator[None]:
    """Adds to a DataError of the block how to fetch the files beforehand."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; with a network: {_command(dataset)}") from error


def _command(dataset: Fetched) -> str:
    return shlex.join(["lottery-data", "download", dataset.name, "--root", dataset.root])
