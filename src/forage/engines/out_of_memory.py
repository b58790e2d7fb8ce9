"""Running out of memory, as a sentence that says what to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from forage.core.errors import ForageError

_SAID_ON_CPU = ("can't allocate memory", "not enough memory")
"""In the words of torch's allocator, which has no exception of its own for this on the CPU."""


@contextmanager
def explain_out_of_memory(advice: str) -> Iterator[None]:
    """Turns out-of-memory errors inside the block into a ForageError with `advice`; all else passes through."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ForageError(f"The memory is not enough. {advice}") from error
    except RuntimeError as error:
        if any(words in str(error) for words in _SAID_ON_CPU):
            raise ForageError(f"The memory is not enough. {advice}") from error
        raise
