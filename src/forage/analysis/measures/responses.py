"""The responses of a step as the analyzes read them: one text with the place of every token in it, and flat columns.

Axes: N tokens of all responses together, R responses.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forage.core.spans import Spans, own, own_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Span = tuple[int, int]
"""Half-open range of characters."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the policy wrote itself, token by token: no replayed prefix, and nothing that an environment wrote.

    `pieces` are the texts of the T tokens; `entropies` in nats, `logprobs` and `advantages` are float64 (T,), NaN where
    nothing usable was recorded. `correct` is NaN where it could not be judged. `truncated`: cut by the length limit.
    `replayed`: it continues a prefix that an earlier policy wrote, and so says little about solving the problem.
    """

    problem: str
    pieces: tuple[str, ...]
    entropies: Floats
    logprobs: Floats
    advantages: Floats
    correct: float
    truncated: bool = False
    replayed: bool = False

    def __post_init__(self) -> None:
        lengths = {len(self.pieces), len(self.entropies), len(self.logprobs), len(self.advantages)}
        if len(lengths) != 1:
            raise ValueError(f"a response of problem {self.problem} has columns of the lengths {sorted(lengths)}")

    @cached_property
    def text(self) -> str:
        return "".join(self.pieces)

    @cached_property
    def ends(self) -> Ints:
        """(T,) int64: one past the last character of each token."""
        return np.cumsum([len(piece) for piece in self.pieces], dtype=np.int64)

    @cached_property
    def starts(self) -> Ints:
        """(T,) int64: the first character of each token."""
        return np.concatenate([np.zeros(1, np.int64), self.ends])[:-1]

    def covering(self, span: Span) -> slice:
        """The tokens that share a character with `span`, as a slice of T.

        A token without characters of its own (the first bytes of a character that a later token completes) counts
        where it lies strictly inside the span.
        """
        first = int(np.searchsorted(self.ends, span[0], side="right"))
        return slice(first, max(first, int(np.searchsorted(self.starts, span[1], side="left"))))

    def mark(self, spans: Iterable[Span], *, first_only: bool = False) -> Bools:
        """(T,) bool: tokens that overlap a span; with `first_only` just the first one of each span."""
        marked = np.zeros(len(self.pieces), dtype=np.bool_)
        for span in spans:
            tokens = self.covering(span)
            if tokens.start < tokens.stop:
                marked[slice(tokens.start, tokens.start + 1) if first_only else tokens] = True
        return marked


def read_responses(rows: Sequence[Mapping[str, Any]]) -> tuple[Response, ...]:
    """Responses from rows with the columns of a rollout file; rows without a token are left out."""
    return tuple(
        Response(
            problem=str(row["problem"]),
            pieces=own_pieces(row["pieces"], given := given_of(row)),
            entropies=_known(own(row["entropies"], given)),
            logprobs=_known(own(row["logprobs"], given)),
            advantages=_known(own(row["advantages"], given)),
            correct=math.nan if row["correct"] is None else float(row["correct"]),
            truncated=row["stop"] == "length",
            replayed=len(row.get("prefix") or ()) > 0,
        )
        for row in rows
        if len(row["pieces"])
    )


def given_of(row: Mapping[str, Any]) -> Spans:
    """What an environment wrote of the tokens of a row; rows of older files have none."""
    return tuple((int(first), int(last)) for first, last in row.get("given") or ())


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of R responses laid end to end, each column (N,).

    entropy (nats), logprob, advantage float64, NaN where unknown; response int64, the number of its response; problem
    int64, a number for each distinct problem; place float64 in [0, 1): how far into its response the token stands;
    correct float64: of its response, NaN where that could not be judged.
    """

    entropy: Floats
    logprob: Floats
    advantage: Floats
    response: Ints
    problem: Ints
    place: Floats
    correct: Floats

    def __len__(self) -> int:
        return len(self.entropy)


def flatten(responses: Sequence[Response]) -> Tokens:
    """Lays the tokens of responses end to end."""
    lengths = [len(response.pieces) for response in responses]
    problems = problem_numbers(responses)
    return Tokens(
        entropy=join([response.entropies for response in responses]),
        logprob=join([response.logprobs for response in responses]),
        advantage=join([response.advantages for response in responses]),
        response=np.repeat(np.arange(len(responses), dtype=np.int64), lengths),
        problem=np.repeat(problems, lengths),
        place=join([np.arange(length) / length for length in lengths]),
        correct=np.repeat(np.array([response.correct for response in responses], dtype=np.float64), lengths),
    )


def problem_numbers(responses: Sequence[Response]) -> Ints:
    """(R,) int64: responses to the same problem share a number, counted from 0 in order of appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(response.problem, len(numbers)) for response in responses], dtype=np.int64)


def token_mask(
    responses: Sequence[Response], find: Callable[[str], Iterable[Span]], *, first_only: bool = False
) -> Bools:
    """(N,) bool: the tokens that overlap what `find` finds in the text of their response."""
    marked = [response.mark(find(response.text), first_only=first_only) for response in responses]
    return np.concatenate(marked) if marked else np.zeros(0, dtype=np.bool_)


def join(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _known(values: Sequence[float | None]) -> Floats:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
