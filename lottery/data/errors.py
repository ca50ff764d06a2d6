"""The error for data that is missing or not what it should be."""

from lottery.errors import MISTAKE, LotteryError


class DataError(LotteryError):
    """Data are missing or wrong; the message names the file."""

    exit_code = MISTAKE
