"""A world in which restarts must help: a key that is often picked up early, and a door that takes a skill.

A response picks one of four things (thing 1 is the key) and then dials seven digits of two; it is right if it holds the
key and all digits are. Every problem has a first choice of its own; the digits are one skill, shared by all problems
and practised only by those who stand before the door with the key. The policy is a table of logits.
"""

import math
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from forage.core.protocols import Memory, Task, Tools
from forage.core.records import Completion, Group, Problem, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.core.seeds import derive_seed
from forage.parts.memory import ReplaySchedule, RetrospectiveReplay
from support.builders import problem
from support.readable_codecs import Digits

THINGS, DIGITS, KEY = 4, 7, 1
LENGTH = 1 + DIGITS
PROBLEMS = [problem(f"p{number}") for number in range(24)]
STEPS, GROUPS, SIBLINGS, RATE = 40, 8, 8, 1.0
PARAMS = SamplingParams(max_tokens=LENGTH)
EVEN = [0.5, 0.5]
"""Of a digit by which nothing is decided any more."""


@dataclass(frozen=True, kw_only=True)
class Rooms(Task):
    name = "rooms"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(float(text == "1" * LENGTH))


@dataclass
class Walker(Digits):
    """Sampler, codec, judge and learner."""

    first: dict[str, list[float]] = field(default_factory=lambda: {p.id: [0.0] * THINGS for p in PROBLEMS})
    digits: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0] for _ in range(DIGITS)])
    version: int = 0

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (PROBLEMS.index(problem),)

    def logits(self, name: str, response: Sequence[int]) -> list[float] | None:
        """The logits of the next token; None where nothing is to be learned any more, and all digits are alike."""
        if not response:
            return self.first[name]
        return self.digits[len(response) - 1] if set(response) == {1} else None

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        digits = [softmax(row) for row in self.digits]
        for number, request in enumerate(requests):
            found, first = [], softmax(self.first[PROBLEMS[request.tokens[0]].id])
            for sibling in range(request.group_size):
                draw, response = random.Random(f"{request.seed} {sibling}"), list(request.tokens[1:])
                while len(response) < LENGTH:
                    if not response:
                        response += draw.choices(range(THINGS), first)
                        continue
                    right = response.count(1) == len(response)
                    zero, one = digits[len(response) - 1] if right else EVEN
                    response.append(int(draw.random() * (zero + one) >= zero))
                new = tuple(response[len(request.tokens) - 1 :])
                found.append(Completion(new, (0.0,) * len(new), (0.0,) * len(new), "eos"))
            yield number, tuple(found)

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        future: Future[tuple[Score, ...]] = Future()
        future.set_result(tuple(Rooms().verify(problem, text) for text in texts))
        return future

    def learn(self, group: Group) -> None:
        """REINFORCE on the new tokens, against the mean of the siblings."""
        self.version += 1
        mean = sum(score.value for score in group.scores) / len(group.scores)
        for rollout, score in zip(group.rollouts, group.scores, strict=True):
            response = list(rollout.start.prefix)
            for token in rollout.tokens:
                if (row := self.logits(rollout.start.problem.id, response)) is not None:
                    for index, share in enumerate(softmax(row)):
                        row[index] += RATE * (score.value - mean) * ((index == token) - share) / len(group.rollouts)
                response.append(token)

    def solve_rate(self) -> float:
        door = math.prod(softmax(row)[1] for row in self.digits)
        return door * sum(softmax(row)[KEY] for row in self.first.values()) / len(self.first)


def softmax(row: Sequence[float]) -> list[float]:
    powers = [math.exp(value) for value in row]
    total = sum(powers)
    return [power / total for power in powers]


def trained(seed: int, *, share: float = 0.5, cut: Literal["value", "random"] = "value") -> float:
    """The exact solve rate after STEPS steps of as many responses each, whatever their starts were."""
    schedule = ReplaySchedule(last=10**6, collect_until=15, replay_from=2, share=share)
    config = RetrospectiveReplay(
        schedule=schedule, traces=4, continuations=4, rescore_every=0, quantile=0.0, window=(0.1, 0.9), cut=cut
    )
    walker, memory = Walker(), config.open(PROBLEMS, seed=seed)
    tools = Tools(walker, walker, walker)
    for step in range(1, STEPS + 1):
        groups = play(memory, tools, step, seed)
        memory.observe(groups, Rooms(), tools, PARAMS, step=step, seed=derive_seed(seed, "study", step))
        for group in groups:
            walker.learn(group)
        memory.record(groups, step=step)
    return walker.solve_rate()


def play(memory: Memory, tools: Tools, step: int, seed: int) -> list[Group]:
    starts = memory.draw(GROUPS, step=step)
    requests = [
        SampleRequest(tools.codec.prompt(start.problem) + start.prefix, SIBLINGS, derive_seed(seed, step, number))
        for number, start in enumerate(starts)
    ]
    groups = []
    for number, completions in tools.sampler.sample(requests, PARAMS):
        rollouts = tuple(whole(starts[number], completion) for completion in completions)
        scores = tools.judge.submit(starts[number].problem, [rollout.text for rollout in rollouts]).result()
        groups.append(Group(starts[number], rollouts, scores))
    return groups


def whole(start: Start, completion: Completion) -> Rollout:
    text = "".join(map(str, start.prefix + completion.tokens))
    count, ends = len(completion.tokens), tuple(range(1, len(completion.tokens) + 1))
    return Rollout(start, completion.tokens, (0.0,) * count, (0.0,) * count, text, ends, "eos", 0)


def test_restarts_solve_more_with_equal_samples_and_random_cuts_lose_most_of_the_gain() -> None:
    # Equal samples: the continuations that value states come on top. With their tokens counted the base wins here,
    # because it may take two and a half times as many steps.
    def mean(**settings: Any) -> float:
        return sum(trained(seed, **settings) for seed in range(4)) / 4

    replayed, random_cuts, base = mean(), mean(cut="random"), mean(share=0.0)
    assert replayed > base + 0.2
    assert random_cuts - base < (replayed - base) / 2
