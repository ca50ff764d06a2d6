"""The error for data that is missing or not what it should be."""


class DataError(Exception):
    """A fault in a dataset's files, in one line that names the file."""
