"""A workload for chat models: word problems of about 100 tokens, and a verdict that varies among siblings.

It needs nothing but the standard library, as it is imported where TRL lives too.
"""

import zlib
from typing import Any


def texts(count: int) -> list[str]:
    """Word problems of about 100 tokens with the chat template around them."""
    return [
        f"A baker makes {12 + n} trays of rolls in the morning and {7 + n} trays in the afternoon. Each tray holds "
        f"{6 + n % 5} rolls. She sells {20 + 3 * n} rolls to a school and gives {5 + n} rolls to her neighbors. How "
        "many rolls are left at the end of the day? Think step by step, and put the answer after 'Answer:'."
        for n in range(count)
    ]


def verdict(text: str) -> float:
    """0 or 1 by the text alone, so that hardly any group of responses is all right or all wrong."""
    return float(zlib.crc32(text.encode()) % 2)


def is_right(problem: Any, text: str) -> bool:
    """`verdict` as a verifier of Forage."""
    return verdict(text) == 1
