"""The error for data that is missing or not what it should be."""

from lottery.errors import MISTAKE, LotteryError, escaped


class DataError(LotteryError):
    """Data are missing or wrong; the message names the file."""

    exit_code = MISTAKE

    def __init__(self, message: str) -> None:
        super().__init__(escaped(message))  # with a line's end, which a file's name may have
