"""How new a response is: the error of a small network that learns to say what a frozen random one says of it.

Random network distillation on token sequences (arXiv 2505.17621). The vector of a response is the sum of the vectors of
its tokens, each times the vector of its place, over the root of their number; all of these are frozen, so that only the
predictor moves. They are drawn from the seed when they are first met, and no vocabulary needs to be known.

Axes: N responses, D numbers of a vector.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from forage.core.seeds import derive_seed

HIDDEN = (16, 8)


class RandomNetwork:
    """A frozen embedding and target, and the predictor that learns. Everything is float32 on the CPU."""

    def __init__(self, *, seed: int, size: int = 16, lr: float = 1e-3) -> None:
        self._seed, self._size = seed, size
        self._vectors: dict[tuple[str, int], Tensor] = {}
        self.target = _network(derive_seed(seed, "novelty target"), size).requires_grad_(False)
        self.predictor = _network(derive_seed(seed, "novelty predictor"), size)
        self._optimizer = torch.optim.AdamW(self.predictor.parameters(), lr=lr)

    def embed(self, responses: Sequence[Sequence[int]]) -> Tensor:
        """(N, D): the frozen vectors of responses given as tokens, each of at least one."""
        return torch.stack([self._vector(tokens) for tokens in responses])

    def errors(self, responses: Sequence[Sequence[int]]) -> Tensor:
        """(N,): the squared errors of the predictor as it is now; nothing is learned."""
        with torch.no_grad():
            return self._squared(self.embed(responses))

    def learn(self, responses: Sequence[Sequence[int]]) -> None:
        """One step of the optimizer on the mean squared error."""
        self._optimizer.zero_grad()
        self._squared(self.embed(responses)).mean().backward()
        self._optimizer.step()

    def state(self) -> dict[str, Any]:
        """JSON; what is frozen comes from the seed and is left out."""
        moments = self._optimizer.state_dict()["state"]
        return {
            "predictor": {name: value.tolist() for name, value in self.predictor.state_dict().items()},
            "optimizer": {
                str(number): {name: value.tolist() for name, value in kept.items()} for number, kept in moments.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.predictor.load_state_dict({name: torch.tensor(value) for name, value in state["predictor"].items()})
        moments = {
            int(number): {name: torch.tensor(value, dtype=torch.float32) for name, value in kept.items()}
            for number, kept in state["optimizer"].items()
        }
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})

    def _squared(self, vectors: Tensor) -> Tensor:
        return (self.predictor(vectors) - self.target(vectors)).square()[:, 0]

    def _vector(self, tokens: Sequence[int]) -> Tensor:
        words = self._rows("token", torch.tensor(tokens, dtype=torch.int64))
        places = self._rows("place", torch.arange(len(tokens)))
        return (words * places).sum(0) / math.sqrt(len(tokens))

    def _rows(self, kind: str, numbers: Tensor) -> Tensor:
        met, where = torch.unique(numbers, return_inverse=True)
        return torch.stack([self._drawn(kind, number) for number in met.tolist()])[where]

    def _drawn(self, kind: str, number: int) -> Tensor:
        if (kind, number) not in self._vectors:
            draw = torch.Generator().manual_seed(derive_seed(self._seed, "novelty", kind, number))
            self._vectors[kind, number] = torch.randn(self._size, generator=draw)
        return self._vectors[kind, number]


def _network(seed: int, size: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = HIDDEN
        return nn.Sequential(
            nn.Linear(size, first),
            nn.LeakyReLU(),
            nn.Linear(first, second),
            nn.LeakyReLU(),
            nn.Linear(second, 1),
            nn.Sigmoid(),
        )
