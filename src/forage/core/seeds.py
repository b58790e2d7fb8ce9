"""Every random number in a run comes from a seed that is derived, not from a generator that is passed around.

A seed names what it is for (run seed, step, problem, ...), so nothing depends on the order of work, and a resumed run
needs no generator state to continue bit for bit.
"""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that is a pure function of `parts`; different parts give unrelated seeds."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        text = f"{type(part).__name__}:{part}"
        digest.update(f"{len(text)}:{text};".encode())
    return int.from_bytes(digest.digest(), "big") >> 1
