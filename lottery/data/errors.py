"""The error for data that is missing or not what it should be."""

from lottery.errors import MISTAKE, LotteryError


class DataError(LotteryError):
    """Data are missing or wrong; the message names the file."""

    exit_code = MISTAKE

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


def shown(text: str) -> str:
    r"""Return a text with escapes for what would break its line or command a terminal.

    Example:
        >>> print(shown("grün\n.png"))
        grün\n.png
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
