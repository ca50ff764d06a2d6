"""The error for data that is missing or not what it should be."""

from lottery.errors import MISTAKE, LotteryError


class DataError(LotteryError):
    """Data are missing or wrong; the message names the file.

    Characters of names that would break the line, or command a terminal, are shown as escapes.
    """

    exit_code = MISTAKE

    def __init__(self, message: str) -> None:
        characters = (c if c.isprintable() else ascii(c)[1:-1] for c in message)
        super().__init__("".join(characters))
