"""The seam between the sampler and vLLM: what is asked, what is answered, and how weights get in.

One ask is one completion. Everything that makes siblings, versions and records of it is the sampler's, so an engine
beside the trainer and a server far away differ in transport alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forage.core.records import SamplingParams


@dataclass(frozen=True, slots=True)
class Request:
    """One completion of at most `limit` tokens after `tokens`; `seed` decides its random numbers."""

    tokens: tuple[int, ...]
    seed: int
    limit: int


@dataclass(frozen=True, slots=True)
class RequestParams:
    """How all completions of a call are drawn, and what ends them beside their limit."""

    params: SamplingParams
    stop_ids: tuple[int, ...]
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """The tokens drawn (the one that ends them included), their log-probabilities, and whether they ended by a stop.

    A log-probability that the engine cannot tell is NaN.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    stopped: bool


class Engine(Protocol):
    """A running vLLM. Its log-probabilities are of the distribution that it really draws from."""

    def generate(
        self, engine_requests: Sequence[Request], request_params: RequestParams
    ) -> Iterator[tuple[int, Output]]:
        """Yields (index of the ask, answer) as they finish. Closing the iterator gives up what is under way."""
        ...

    def load(self, folder: Path) -> None:
        """Takes the weights in a Hugging Face folder, and forgets what it had computed with the old ones."""
        ...

    def close(self) -> None: ...
