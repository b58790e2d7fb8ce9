"""A toy world whose values can be worked out: a coin chain. Token 1 is heads, 0 is tails, 2 ends a response."""

import math
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from forage.core.protocols import Tools
from forage.core.records import UNJUDGED, Completion, Problem, SampleRequest, SamplingParams, Score

END = 2


@dataclass
class Coins:
    """Sampler, codec and judge at once: every token is heads with probability `heads`, a response is `length` long.

    The prompt is one token (9). The return of a response is its share of heads; texts in `broken` cannot be judged.
    """

    heads: float = 0.5
    length: int = 4
    version: int = 0
    broken: tuple[str, ...] = ()
    asked: list[SampleRequest] = field(default_factory=list)

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (9,)

    def encode(self, text: str) -> tuple[int, ...]:
        return (9,)

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(str, tokens))

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(map(str, tokens))

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, request in reversed(list(enumerate(requests))):
            self.asked.append(request)
            completions = []
            for sibling in range(request.group_size):
                draw = random.Random(f"{request.seed} {sibling}")
                size = min(self.length - len(request.tokens) + 1, request.limit or params.max_tokens)
                tokens = tuple(int(draw.random() < self.heads) for _ in range(max(size, 1)))
                completions.append(
                    Completion(tokens, (-math.log(2),) * len(tokens), (math.log(2),) * len(tokens), "eos")
                )
            yield number, tuple(completions)

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        future: Future[tuple[Score, ...]] = Future()
        future.set_result(
            tuple(UNJUDGED if text in self.broken else Score(text.count("1") / self.length) for text in texts)
        )
        return future

    @property
    def tools(self) -> Tools:
        return Tools(self, self, self)
