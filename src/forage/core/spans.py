"""Text that an environment wrote inside a response: half-open spans of its tokens, in order and disjoint.

Tokens outside of them are the policy's own. A policy begins to write where a span ends, so none is the last one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

Spans = tuple[tuple[int, int], ...]
"""(first, one past the last) token of each text."""


def check_spans(spans: Spans, length: int) -> None:
    """Raises ValueError unless the spans are in order, disjoint, not empty and end before the last of `length`."""
    bounds = [0, *(bound for span in spans for bound in span)]
    ordered = all(a <= b for a, b in pairwise(bounds)) and all(a < b for a, b in spans)
    if not ordered or bounds[-1] >= max(length, 1):
        raise ValueError(f"the spans {spans} do not lie in order within {length} tokens, the last of them the policy's")


def own(values: Sequence[T], spans: Spans, begin: int = 0, end: int | None = None) -> tuple[T, ...]:
    """The values of the policy's own tokens from `begin` to `end` (the last one unless given)."""
    kept, place, stop = [], begin, len(values) if end is None else end
    for first, last in (*spans, (stop, stop)):
        kept += values[place : min(max(first, place), stop)]
        place = max(place, last)
    return tuple(kept)


def own_before(spans: Spans, end: int) -> int:
    """How many of the first `end` tokens are the policy's own."""
    return end - sum(min(last, end) - min(first, end) for first, last in spans)


def own_pieces(pieces: Sequence[str], spans: Spans) -> tuple[str, ...]:
    """The texts of the policy's own tokens, with a line break where an environment's text was between them.

    A phrase ends at a line break, so none is found that nobody wrote.
    """
    broken = {first - 1 for first, _ in spans}
    return own([piece + "\n" * (place in broken) for place, piece in enumerate(pieces)], spans)


def inside(spans: Spans, place: int) -> bool:
    """Whether a token is an environment's."""
    return any(first <= place < last for first, last in spans)


def cut(spans: Spans, end: int) -> Spans:
    """What lies in the first `end` tokens."""
    return tuple((first, min(last, end)) for first, last in spans if first < end)


def behind(spans: Spans, begun: int, more: Spans) -> Spans:
    """`spans` of `begun` tokens and `more`, counted from behind them, as spans of all; what touches becomes one."""
    together: list[tuple[int, int]] = []
    for first, last in (*spans, *((first + begun, last + begun) for first, last in more)):
        if together and together[-1][1] == first:
            first = together.pop()[0]
        together.append((first, last))
    return tuple(together)


def steps_around(ends: Sequence[int], spans: Spans) -> tuple[int, ...]:
    """The ends of reasoning steps where an environment wrote between them: what it wrote belongs to the step before.

    An end inside of a span moves behind it, and a span ends a step. A response that begins with one has no step of
    the environment's text alone.
    """
    moved = {next((last for first, last in spans if first <= end < last), end) for end in ends}
    return tuple(sorted((moved | {last for _, last in spans}) - {last for first, last in spans if first == 0}))
