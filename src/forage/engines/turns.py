"""Responses in turns: what the policy writes, answered by the environment of a task, under any sampler.

An environment's replies follow from what was written before. So tokens alone tell which of them it wrote, and any
beginning of a response can be gone on with: in the middle of a turn, where a turn ended, or in the middle of a reply.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from forage.core.demonstrations import Given
from forage.core.errors import ForageError
from forage.core.protocols import Codec, Sampler, Task
from forage.core.records import Completion, Problem, SampleRequest, SamplingParams, Stop
from forage.core.seeds import derive_seed
from forage.core.spans import Spans
from forage.core.turns import Environment, environment_of
from forage.engines.distributed.process_group import Alone, ProcessGroup
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.requests import limit_of


class OpenedFor(NamedTuple):
    """An opened model with the sampler for a task, and what an environment wrote of given tokens (`Tools.given`)."""

    opened: Opened
    sampler: Sampler
    given: Given


def with_turn_ends(engine: LocalEngine, task: Task) -> LocalEngine:
    """The engine to open for a task: its responses also stop where the turns of the task's environment end."""
    environment = environment_of(task)
    if environment is None:
        return engine
    return replace(engine, stops=tuple(dict.fromkeys((*engine.stops, *environment.turn_ends))))


def in_turns(sampler: Sampler, opened: Opened, engine: LocalEngine, task: Task) -> tuple[Sampler, Given]:
    """The sampler for a task, and what an environment wrote of given tokens (`Tools.given`).

    `sampler` stops where `with_turn_ends(engine, task)` says. Without an environment it is returned as it is.
    """
    environment = environment_of(task)
    if environment is None:
        return sampler, lambda problem, tokens: ()
    if opened.thinks:
        raise ForageError(
            f"The model thinks partly in embeddings, which it does in responses of one turn, and the task {task.name} "
            "has an environment."
        )
    stops = with_turn_ends(engine, task).stops
    reader = TurnReader(environment, opened.codec, opened.policy.model.stop_ids, stops)
    return TurnSampler(sampler, reader), reader.given


def open_for(engine: LocalEngine, weights: Path | str, task: Task, *, ranks: ProcessGroup | None = None) -> OpenedFor:
    """The model opened to answer the problems of a task, in turns where it has an environment."""
    opened = with_turn_ends(engine, task).open(str(weights), ranks=ranks or Alone())
    return OpenedFor(opened, *in_turns(opened.sampler, opened, engine, task))


class ReadTurns(NamedTuple):
    """The beginning of a response as turns: `given` spans of it; `turns` that ended; the unfinished one's `begin`.

    `pending` is what is left of a reply that the tokens end before or in; empty where it is the policy's turn.
    """

    given: Spans
    turns: int
    begin: int
    pending: tuple[int, ...]


@dataclass(frozen=True)
class TurnReader:
    """Reads tokens as turns and replies. A turn ends with a token of `stop_ids`, or that completes one of `stops`."""

    environment: Environment
    codec: Codec
    stop_ids: Sequence[int]
    stops: Sequence[str]

    def given(self, problem: Problem, tokens: Sequence[int]) -> Spans:
        """The spans of the first tokens of a response that the environment wrote, the last one perhaps unfinished."""
        return self.read(problem, tokens).given

    def read(self, problem: Problem, tokens: Sequence[int]) -> ReadTurns:
        """What follows the end of a turn and is not how the environment replies to it counts as the policy's own."""
        spans: list[tuple[int, int]] = []
        place, turns = 0, 0
        while (end := self.turn_end(tokens, place)) is not None:
            place, turns = end, turns + 1
            reply = self.replied(problem, tokens[:end])
            there = tuple(tokens[end : end + len(reply)])
            if reply and there == reply[: len(there)]:
                place = end + len(there)
                spans += [(end, place)] if there else []
                if there != reply:
                    return ReadTurns(tuple(spans), turns, place, reply[len(there) :])
        return ReadTurns(tuple(spans), turns, place, ())

    def turn_end(self, tokens: Sequence[int], begin: int, known: int = 0) -> int | None:
        """One past the token that ends the turn which begins at `begin`; None where none does.

        The first `known` tokens are known to end none.
        """
        text = ""
        longest = max(map(len, self.stops), default=0)
        for place, piece in enumerate(self.codec.pieces(tokens[begin:]), begin):
            text = text[max(len(text) - longest + 1, 0) :] + piece if longest else ""
            if place >= known and (tokens[place] in self.stop_ids or any(stop in text for stop in self.stops)):
                return place + 1
        return None

    def replied(self, problem: Problem, tokens: Sequence[int]) -> tuple[int, ...]:
        """The tokens of the reply to a response so far; () where there is none."""
        reply = self.environment.reply(problem, self.codec.decode(tokens))
        return self.codec.encode(reply) if reply else ()


@dataclass
class _Episode:
    """A response on its way: its `problem`, what was begun, what came behind it, and how many turns have ended.

    `room` bounds what comes behind what was begun. `turn` is where the unfinished turn begins, counted from the first
    token of the response.
    """

    problem: Problem
    begun: tuple[int, ...]
    room: int
    turns: int
    turn: int
    given: list[tuple[int, int]] = field(default_factory=list)
    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] = ()
    stop: Stop = "length"

    def append(self, tokens: tuple[int, ...]) -> None:
        """What the environment says."""
        unknown = (math.nan,) * len(tokens)
        self.given.append((len(self.tokens), len(self.tokens) + len(tokens)))
        self.extend(tokens, unknown, unknown)
        self.turn = len(self.begun) + len(self.tokens)

    def extend(self, tokens: tuple[int, ...], logprobs: tuple[float, ...], entropies: tuple[float, ...]) -> None:
        self.tokens, self.logprobs, self.entropies = (
            self.tokens + tokens,
            self.logprobs + logprobs,
            self.entropies + entropies,
        )

    def completion(self) -> Completion:
        return Completion(self.tokens, self.logprobs, self.entropies, self.stop, tuple(self.given))


class TurnSampler:
    """A `Sampler` around another one: it asks the environment wherever a turn has ended, and goes on behind its reply.

    A turn is sampled for all responses at once. The first turns are drawn as `sampler` would draw them, so without a
    reply the completions are the same, bit for bit. Every request must name its `problem`. A reply that leaves no room
    for a token of the policy is not written: the response is cut off before it, and a start is gone on with by one
    token, since a completion has to have one.
    """

    def __init__(self, sampler: Sampler, reader: TurnReader) -> None:
        self._sampler, self._reader = sampler, reader

    @property
    def version(self) -> int:
        return self._sampler.version

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Yields (index of the request, its completions in sibling order) as soon as all of them are done."""
        begun = [self._begin(request, params) for request in requests]
        episodes = [members for _, members in begun]
        left = [len(members) for members in episodes]
        wave = [(request, number, range(request.group_size)) for number, (request, _) in enumerate(begun)]
        while wave:
            following: list[tuple[int, int]] = []
            for place, completions in self._sampler.sample([request for request, *_ in wave], params):
                _, number, members = wave[place]
                for sibling, completion in zip(members, completions, strict=True):
                    if self._go_on(episodes[number][sibling], completion):
                        following.append((number, sibling))
                    else:
                        left[number] -= 1
                if not left[number]:
                    yield number, tuple(episode.completion() for episode in episodes[number])
            wave = [
                (self._next(requests[number], episodes[number][sibling], sibling), number, range(sibling, sibling + 1))
                for number, sibling in sorted(following)
            ]

    def _begin(self, request: SampleRequest, params: SamplingParams) -> tuple[SampleRequest, list[_Episode]]:
        """What is asked of the sampler first, and the responses that come of it."""
        if request.problem is None:
            raise ValueError("an environment is asked about a problem, and this request names none")
        begun = request.tokens[len(request.tokens) - request.begun :]
        read, room = self._reader.read(request.problem, begun), limit_of(request, params)
        fits = len(read.pending) < room
        members = [
            _Episode(request.problem, begun, room if fits else 1, read.turns, read.begin)
            for _ in range(request.group_size)
        ]
        if read.pending and fits:
            for episode in members:
                episode.append(read.pending)
            request = replace(request, tokens=request.tokens + read.pending, limit=room - len(read.pending))
        return (request if fits else replace(request, limit=1)), members

    def _go_on(self, episode: _Episode, completion: Completion) -> bool:
        """Takes what was sampled; whether the environment has replied, so that there is more to come."""
        before = len(episode.begun) + len(episode.tokens)
        tokens, ended = completion.tokens, completion.stop == "eos"
        if episode.turn < before:  # begun in the middle of a turn, which the sampler does not know
            whole = episode.begun + episode.tokens + tokens
            end = self._reader.turn_end(whole, episode.turn, known=before)
            if end is not None:
                tokens, ended = whole[before:end], True
        size = len(tokens)
        episode.extend(tokens, completion.logprobs[:size], completion.entropies[:size])
        episode.stop = "eos" if ended else "length"
        if not ended:
            return False
        episode.turns += 1
        reply = self._reader.replied(episode.problem, episode.begun + episode.tokens)
        if not reply:
            return False
        if episode.turns >= self._reader.environment.max_turns or len(episode.tokens) + len(reply) >= episode.room:
            episode.stop = "length"
            return False
        episode.append(reply)
        return True

    def _next(self, request: SampleRequest, episode: _Episode, sibling: int) -> SampleRequest:
        return replace(
            request,
            tokens=request.tokens + episode.tokens,
            group_size=1,
            seed=derive_seed(request.seed, "turn", episode.turns, sibling),
            limit=episode.room - len(episode.tokens),
        )
