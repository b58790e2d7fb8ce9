"""Text to tokens and back, for any Hugging Face tokenizer."""

from collections.abc import Sequence
from typing import cast

from transformers import PreTrainedTokenizerBase

from forage.core.errors import ForageError
from forage.core.records import Message, Problem

UNDECODED = "�"
"""What decoders write for bytes that are not (yet) a character."""


class LocalCodec:
    """A `Codec` over a tokenizer. Tokens are decoded without special tokens and without prettifying spaces."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._first: dict[int, str] = {}
        self._later: dict[int, str] = {}
        self._anchor: int | None = None

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        """The tokens the model reads: plain text as the tokenizer encodes it, messages through its chat template.

        Raises ForageError for messages without a chat template, for text that the tokenizer cannot read, and for a
        prompt without tokens.
        """
        return self.encode_prompt(problem.prompt, name=f"problem {problem.id}")

    def encode_prompt(self, prompt: str | Sequence[Message], *, name: str = "a question") -> tuple[int, ...]:
        """As `prompt`, for a prompt that belongs to no problem; errors call it `name`."""
        if isinstance(prompt, str):
            try:
                ids = list(self._tokenizer(prompt)["input_ids"])  # pyright: ignore[reportArgumentType]
            except Exception as error:  # tokenizers raises bare exceptions
                raise ForageError(f"The tokenizer cannot read the prompt of {name}: {error}.") from error
            # Tokenizers that close every text would tell the model that the answer is already over.
            if ids and ids[-1] == self._tokenizer.eos_token_id and not self._ends_in_eos(prompt):
                ids.pop()
        else:
            ids = self._chat(prompt, name)
        if not ids:
            raise ForageError(f"The prompt of {name} has no tokens, so there is nothing to answer.")
        return tuple(ids)

    def encode(self, text: str) -> tuple[int, ...]:
        """A piece of a response as tokens, without any that the tokenizer adds. Raises ForageError where it cannot."""
        try:
            return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]
        except Exception as error:  # tokenizers raises bare exceptions
            raise ForageError(f"The tokenizer cannot read {text[:60]!r}: {error}.") from error

    def decode(self, tokens: Sequence[int]) -> str:
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return cast(str, text)

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """The text of each token; joined they are `decode(tokens)`.

        A character whose bytes are spread over several tokens belongs to the token that completes it; the earlier ones
        get "".
        """
        pieces: list[str] = []
        run: list[int] = []
        for token in tokens:
            if not run and UNDECODED not in (piece := self._piece(token, first=not pieces)):
                pieces.append(piece)
                continue
            run.append(token)
            if not (text := self._after(run, first=not pieces)).endswith(UNDECODED):
                pieces += self._attributed(run, text, first=not pieces)
                run = []
        if run:
            pieces += self._attributed(run, self._after(run, first=not pieces), first=not pieces)
        whole = self.decode(tokens)
        if "".join(pieces) != whole:
            # The tokenizer's decoder looks further back than one token: compare whole prefixes, slowly.
            pieces = _split(whole, [self.decode(tokens[: end + 1]) for end in range(len(tokens))])
        return tuple(pieces)

    def _piece(self, token: int, *, first: bool) -> str:
        known = self._first if first else self._later
        if token not in known:
            known[token] = self._after([token], first=first)
        return known[token]

    def _after(self, tokens: list[int], *, first: bool) -> str:
        """The text that `tokens` add: at the beginning of a text, or behind an ordinary token.

        Word-level tokenizers put a space between tokens and SentencePiece drops the one at the beginning of a text.
        """
        if first:
            return self.decode(tokens)
        anchor = self._anchor_token()
        return self.decode([anchor, *tokens])[len(self.decode([anchor])) :]

    def _anchor_token(self) -> int:
        """Some token that is plain text by itself."""
        if self._anchor is None:
            candidates = (token for token in range(len(self._tokenizer)) if self.decode([token]).strip().isalnum())
            self._anchor = next(candidates, 0)
        return self._anchor

    def _attributed(self, run: list[int], text: str, *, first: bool) -> list[str]:
        return _split(text, [self._after(run[: end + 1], first=first) for end in range(len(run))])

    def _chat(self, messages: Sequence[Message], name: str) -> list[int]:
        if not self._tokenizer.chat_template:
            raise ForageError(
                f"The prompt of {name} is a chat, and this model's tokenizer has no chat template. "
                "Use a model that was trained for chat, or give the prompt as plain text."
            )
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return list(self.encode(cast(str, text)))

    def _ends_in_eos(self, text: str) -> bool:
        eos = self._tokenizer.eos_token
        return isinstance(eos, str) and text.rstrip().endswith(eos)


def _split(whole: str, prefixes: Sequence[str]) -> list[str]:
    """Cuts `whole` where its growing prefixes agree with it; whatever no prefix settles goes to the last piece."""
    pieces: list[str] = []
    given = 0
    for number, prefix in enumerate(prefixes):
        # An undecoded tail agrees with nothing yet, even where the whole text ends in the same sign.
        settled = prefix.rstrip(UNDECODED)
        agreed = len(whole) if number == len(prefixes) - 1 else _agreement(whole, settled)
        pieces.append(whole[given : max(agreed, given)])
        given = max(agreed, given)
    return pieces


def _agreement(whole: str, prefix: str) -> int:
    for position, (expected, actual) in enumerate(zip(whole, prefix, strict=False)):
        if expected != actual:
            return position
    return min(len(whole), len(prefix))
