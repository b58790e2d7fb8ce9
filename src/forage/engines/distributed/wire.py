"""Records as bytes, for the way between processes of a run: a JSON head, and the numbers of all tokens behind it.

Numbers cross bit for bit (a NaN stays one), text with whatever characters it has. Nothing that is read can run.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from forage.core.records import Completion, Group, Origin, Rollout, Score, Start
from forage.core.spans import Spans
from forage.verification.wire import problem_from_json, problem_to_json

Numbered = tuple[int, tuple[Completion, ...]]
"""The number of a request and its completions, as a sampler yields them."""


def completions_to_bytes(finished: Sequence[Numbered]) -> bytes:
    head = [
        [number, [[len(completion.tokens), completion.stop, completion.given] for completion in completions]]
        for number, completions in finished
    ]
    return _packed(head, (completion for _, completions in finished for completion in completions))


def completions_from_bytes(content: bytes) -> list[Numbered]:
    head, tokens = _unpacked(content)
    return [
        (number, tuple(Completion(*tokens.take(count), stop, _spans(given)) for count, stop, given in entries))
        for number, entries in head
    ]


def scores_to_bytes(scores: Sequence[Sequence[Score]]) -> bytes:
    return json.dumps([[_score_to_json(score) for score in group] for group in scores]).encode()


def scores_from_bytes(content: bytes) -> list[tuple[Score, ...]]:
    return [tuple(map(_score_from_json, group)) for group in json.loads(content)]


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
            [
                [
                    len(rollout.tokens),
                    rollout.text,
                    list(rollout.step_ends),
                    rollout.stop,
                    rollout.version,
                    rollout.given,
                ]
                for rollout in group.rollouts
            ],
            [_score_to_json(score) for score in group.scores],
        ]
        for group in groups
    ]
    return _packed(head, (rollout for group in groups for rollout in group.rollouts))


def groups_from_bytes(content: bytes) -> list[Group]:
    head, tokens = _unpacked(content)
    groups = []
    for (problem, prefix, origin, draw, wanted), rollouts, scores in head:
        start = Start(problem_from_json(problem), tuple(prefix), Origin(origin), draw, wanted)
        sampled = tuple(
            Rollout(start, *tokens.take(count), text, tuple(step_ends), stop, version, _spans(given))
            for count, text, step_ends, stop, version, given in rollouts
        )
        groups.append(Group(start, sampled, tuple(map(_score_from_json, scores))))
    return groups


def _spans(content: Sequence[Sequence[int]]) -> Spans:
    return tuple((first, last) for first, last in content)


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


def _packed(head: Any, responses: Iterable[Completion | Rollout]) -> bytes:
    text = json.dumps(head).encode()
    listed = list(responses)
    ids = np.array([token for response in listed for token in response.tokens], dtype=np.int64)
    logprobs = np.array([number for response in listed for number in response.logprobs], dtype=np.float64)
    entropies = np.array([number for response in listed for number in response.entropies], dtype=np.float64)
    return b"".join((len(text).to_bytes(8, "big"), text, ids.tobytes(), logprobs.tobytes(), entropies.tobytes()))


def _unpacked(content: bytes) -> tuple[Any, _Tokens]:
    end = 8 + int.from_bytes(content[:8], "big")
    return json.loads(content[8:end]), _Tokens(content[end:])
