"""The error for data that is missing or not what it should be."""


class DataError(Exception):
    """One line that names the file: a user can do something about it."""
