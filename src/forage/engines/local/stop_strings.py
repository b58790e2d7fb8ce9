"""Texts that end a response: a sampler sees tokens, and a text may begin and end in the middle of them."""

from collections.abc import Sequence

from forage.core.errors import ForageError
from forage.core.protocols import Codec


class EndTexts:
    """Whether the newest token completed one of `texts`. The response keeps the text, and whatever its token adds."""

    def __init__(self, codec: Codec, texts: Sequence[str]) -> None:
        if not all(texts):
            raise ForageError("A text that ends responses must not be empty.")
        self._codec, self._texts = codec, tuple(texts)
        # A token holds at least one byte, or nothing to be seen: this many of them hold the text, wherever it begins.
        self._window = max(len(text.encode()) for text in texts) + 8

    def __call__(self, tokens: Sequence[int]) -> bool:
        tail = self._codec.decode(tokens[-self._window :])
        return any(text in tail for text in self._texts)
