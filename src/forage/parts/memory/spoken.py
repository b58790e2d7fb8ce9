"""A text as tokens of a response."""

from forage.core.errors import ForageError
from forage.core.protocols import Codec


def tokens_of(text: str, codec: Codec) -> tuple[int, ...]:
    """The tokens of a text without those that say nothing, such as one that opens every text.

    Raises ForageError where the model's tokens cannot say the text.
    """
    tokens = codec.encode(text)
    spoken = tuple(token for token, piece in zip(tokens, codec.pieces(tokens), strict=True) if piece)
    if codec.decode(spoken).strip() != text.strip():
        raise ForageError(f"The model's tokens cannot say {text!r}; choose another text.")
    return spoken
