"""One independent random stream per purpose, all derived from one number by name."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed for one purpose: the first 63 bits of sha256("seed/purpose/...").

    Streams with different names are independent, and a new one leaves the others as they are.
    With `seed + 1, seed + 2, ...`, the second stream of seed 0 would be the first of seed 1.

    Args:
        seed: the number that the user gave.
        purpose: names and counters that name the stream, such as ("order", round).

    Example:
        >>> derive_seed(0, "init") == derive_seed(0, "init")
        True
        >>> derive_seed(0, "init") == derive_seed(0, "order")
        False
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
