"""Cutting a response into sentences, which partition its characters and its tokens."""

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence

import numpy as np

from forage.analysis.measures.responses import Ints, Response, Span

_WHOLE = re.compile(r"```[\s\S]*?(?:```|\Z)|\$\$[\s\S]*?\$\$|\\\[[\s\S]*?\\\]|\\\([\s\S]*?\\\)|\$[^$\n]+\$")
"""Code fences and formulas: never cut inside, whatever stands there. An open fence reaches to the end."""

_BREAK = re.compile(r"[^\S\n]*\n\s*|[.!?]+[\"')\]\u201d\u2019]*\s+")
"""Where a sentence may end: a line break, or a full stop and what closes with it, followed by space."""

_NUMBERING = re.compile(r"\s*\(?\d+\Z")
"""A sentence that is nothing but a number so far: the full stop behind it numbers a list."""


def sentence_spans(text: str, *, starts: Collection[str] = ()) -> list[Span]:
    """The sentences of `text` as consecutive spans that cover it; the space behind a sentence belongs to it.

    A cut is made at a line break and at . ! ? followed by space, but not inside $..$, $$..$$, \\(..\\), \\[..\\] or a
    code fence, not inside a number, and not behind the number of a list item. Abbreviations are not known. `starts` are
    whole words, in the language of a task, that begin a sentence wherever they stand.
    """
    protected = [match.span() for match in _WHOLE.finditer(text)]
    cuts = {0}
    for match in _BREAK.finditer(text):
        begun = max(cuts)
        numbering = "\n" not in match.group() and _NUMBERING.match(text, begun, match.start())
        if match.end() < len(text) and not numbering and not _inside(match.start(), protected):
            cuts.add(match.end())
    if starts:
        words = "|".join(re.escape(word) for word in sorted(starts, key=len, reverse=True))
        cuts |= {match.start() for match in re.finditer(rf"(?<!\S)(?:{words})(?!\S)", text)}
    ordered = sorted(cuts)
    return [span for span in zip(ordered, [*ordered[1:], len(text)], strict=True) if span[0] < span[1]]


def sentence_of_tokens(response: Response, spans: Sequence[Span]) -> Ints:
    """(T,) int64: the sentence of each token. A token across a cut belongs to the sentence it ends in."""
    ends = np.array([end for _, end in spans], dtype=np.int64)
    last = np.maximum(response.ends - 1, response.starts)
    return np.minimum(np.searchsorted(ends, last, side="right"), max(len(spans) - 1, 0)).astype(np.int64)


def _inside(position: int, protected: Sequence[Span]) -> bool:
    """Whether `position` lies strictly inside one of the spans, which are in order and do not overlap."""
    before = bisect_left(protected, position, key=lambda span: span[0]) - 1
    return before >= 0 and position < protected[before][1]
