"""The error for a user's mistake."""


class ConfigError(Exception):
    """A mistake in the config or in what it points to: one line, exit code 2, nothing written."""
