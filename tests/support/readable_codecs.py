"""Codecs whose tokens can be read."""

from collections.abc import Sequence

from forage.core.protocols import Codec
from forage.core.records import Problem


class Letters(Codec):
    """One token for each character."""

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return tuple(map(ord, str(problem.prompt)))

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(chr, tokens))

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(map(chr, tokens))


class Digits(Codec):
    """One token for each digit, and it is the digit. What a prompt becomes is left to the worlds that have it."""

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(int, text))

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(str, tokens))

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(map(str, tokens))
