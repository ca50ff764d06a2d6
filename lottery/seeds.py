"""One independent random stream per purpose, all drawn from one number by name."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose: the first 63 bits of sha256("seed/purpose/...").

    Streams with different names are independent, and adding a new one leaves the others alone,
    which `seed + 1, seed + 2, ...` would not: seed 0's second stream would be seed 1's first.

    Args:
        seed: the number the user gave.
        purpose: names and counters that say what the stream is for, such as ("order", round).

    Example:
        >>> derive_seed(0, "init") == derive_seed(0, "init")
        True
        >>> derive_seed(0, "init") == derive_seed(0, "order")
        False
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
