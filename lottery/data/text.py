"""The characters of a text file, for networks that predict the next one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lottery.arguments import check_text, check_whole
from lottery.data.errors import DataError
from lottery.data.files import decode_text, read_bytes
from lottery.data.splits import Split, Splits

# Where validation and testing begin, as shares of the text
VAL_AT, TEST_AT = 0.8, 0.9
LONGEST = 100_000


@dataclass(frozen=True)
class Text:
    """A text cut into windows of tokens; the targets of a window are its next tokens.

    A token is a character. The first 80 % of the text are for training, the next 10 % for
    validation, the last 10 % for testing. Windows do not overlap; what is left at the end of a
    part, shorter than a window, is not used. The vocabulary is that of the whole file: tokens are
    numbered in the order of their code points. Neither seed plays a part in the splits.

    Args:
        file: in UTF-8.
        length: tokens of a window.
    """

    file: str
    length: int

    def __post_init__(self) -> None:
        check_text("file", self.file)
        check_whole("length", self.length, at_least=1, at_most=LONGEST)

    def load(self) -> Splits:
        """Return the splits: inputs and targets (n, length), targets one position ahead.

        A file that cannot be read or is too short for a window in each split is a DataError.
        """
        path = Path(self.file)
        content = read_bytes(path)
        text = decode_text(path, content)
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        vocabulary, numbers = np.unique(codes, return_inverse=True)
        tokens = torch.from_numpy(numbers)
        val_at, test_at = int(VAL_AT * len(tokens)), int(TEST_AT * len(tokens))
        return Splits(
            train=self._windows(tokens[:val_at]),
            val=self._windows(tokens[val_at:test_at]),
            test=self._windows(tokens[test_at:]),
            num_classes=len(vocabulary),
            known_digests={path.name: hashlib.sha256(content).hexdigest()},
            num_tokens=len(vocabulary),
        )

    def vocabulary(self) -> str:
        """Return the characters of the file, in the order of their tokens."""
        path = Path(self.file)
        return "".join(sorted(set(decode_text(path, read_bytes(path)))))

    def _windows(self, tokens: Tensor) -> Split:
        count = (len(tokens) - 1) // self.length
        if count < 1:
            raise DataError(
                f"{self.file}: {len(tokens)} characters in a split, too few for "
                f"length={self.length} and the next one"
            )
        inputs, targets = tokens[: count * self.length], tokens[1 : count * self.length + 1]
        return Split(inputs.reshape(count, -1), targets.reshape(count, -1))
