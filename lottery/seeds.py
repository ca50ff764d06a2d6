"""One independent random stream per purpose, all derived from one number by name."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return the seed for one purpose: the first 63 bits of sha256("seed/purpose/...").

    Streams with different names are independent, and a new one leaves the others as they are.
    With `seed + 1, seed + 2, ...`, the second stream of seed 0 would be the first of seed 1.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
