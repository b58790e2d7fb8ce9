"""Records as bytes, for the way between processes of a run: a JSON head, and the numbers of all tokens behind it.

Numbers cross bit for bit (a NaN stays one), text with whatever characters it has. Nothing that is read can run.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from forage.core.records import Completion, Group, Origin, Rollout, Score, Start
from forage.verification.wire import problem_from_json, problem_to_json

Numbered = tuple[int, tuple[Completion, ...]]
"""The number of a request and its completions, as a sampler yields them."""


def completions_to_bytes(finished: Sequence[Numbered]) -> bytes:
    head = [[number, [[len(one.tokens), one.stop] for one in some]] for number, some in finished]
    return _joined_group(head, (one for _, some in finished for one in some))


def completions_from_bytes(content: bytes) -> list[Numbered]:
    head, tokens = _parted(content)
    return [(number, tuple(Completion(*tokens.take(count), stop) for count, stop in some)) for number, some in head]


def scores_to_bytes(scores: Sequence[Sequence[Score]]) -> bytes:
    return json.dumps([[_score_to_json(score) for score in some] for some in scores]).encode()


def scores_from_bytes(content: bytes) -> list[tuple[Score, ...]]:
    return [tuple(map(_score_from_json, some)) for some in json.loads(content)]


def groups_to_bytes(groups: Sequence[Group]) -> bytes:
    head = [
        [
            [
                problem_to_json(group.start.problem),
                list(group.start.prefix),
                int(group.start.origin),
                group.start.draw,
                group.start.group_size,
            ],
            [[len(one.tokens), one.text, list(one.step_ends), one.stop, one.version] for one in group.rollouts],
            [_score_to_json(score) for score in group.scores],
        ]
        for group in groups
    ]
    return _joined_group(head, (one for group in groups for one in group.rollouts))


def groups_from_bytes(content: bytes) -> list[Group]:
    head, tokens = _parted(content)
    groups = []
    for (problem, prefix, origin, draw, wanted), rollouts, scores in head:
        start = Start(problem_from_json(problem), tuple(prefix), Origin(origin), draw, wanted)
        siblings = tuple(
            Rollout(start, *tokens.take(count), text, tuple(step_ends), stop, version)
            for count, text, step_ends, stop, version in rollouts
        )
        groups.append(Group(start, siblings, tuple(map(_score_from_json, scores))))
    return groups


def _score_to_json(score: Score) -> list[Any]:
    return [score.value, dict(score.parts), score.steps, score.graded, score.mode]


def _score_from_json(content: Sequence[Any]) -> Score:
    value, parts, steps, graded, mode = content
    return Score(value, parts, None if steps is None else tuple(steps), graded, mode)


class _Tokens:
    """The numbers of tokens, handed out in order."""

    def __init__(self, content: bytes) -> None:
        third = len(content) // 3
        self._ids = np.frombuffer(content[:third], dtype=np.int64)
        self._logprobs = np.frombuffer(content[third : 2 * third], dtype=np.float64)
        self._entropies = np.frombuffer(content[2 * third :], dtype=np.float64)
        self._taken = 0

    def take(self, count: int) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
        here = slice(self._taken, self._taken + count)
        self._taken += count
        return (
            tuple(self._ids[here].tolist()),
            tuple(self._logprobs[here].tolist()),
            tuple(self._entropies[here].tolist()),
        )


def _joined_group(head: Any, responses: Iterable[Completion | Rollout]) -> bytes:
    text = json.dumps(head).encode()
    found = list(responses)
    ids = np.array([token for one in found for token in one.tokens], dtype=np.int64)
    logprobs = np.array([number for one in found for number in one.logprobs], dtype=np.float64)
    entropies = np.array([number for one in found for number in one.entropies], dtype=np.float64)
    return b"".join((len(text).to_bytes(8, "big"), text, ids.tobytes(), logprobs.tobytes(), entropies.tobytes()))


def _parted(content: bytes) -> tuple[Any, _Tokens]:
    end = 8 + int.from_bytes(content[:8], "big")
    return json.loads(content[8:end]), _Tokens(content[end:])
