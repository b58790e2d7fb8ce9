"""Small reward models on frozen text vectors, fitted to preferences (arXiv 2502.04357).

The vectors are computed once, so a head is fitted in seconds without any language model. Everything is on the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.engines.optimization import shuffled_batches
from forage.grams.mining.embedding import Embedder
from forage.reward_models.preference import Ranking
from forage.reward_models.preference.train import ranking_losses


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFit:
    """How the heads of an ensemble are fitted; they differ in their beginning and in the order of their batches."""

    members: int = 5
    hidden: int = 32
    epochs: int = 30
    lr: float = 3e-3
    batch: int = 64
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.members, self.hidden, self.epochs, self.batch) < 1 or not self.lr > 0:
            raise ForageError("members, hidden, epochs and batch must be at least 1, and lr above 0.")


def text_vectors(embed: Embedder, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
    """(B, D) float32: prompt and response as one text. No vector depends on the others: frequencies weigh nothing."""
    texts = [f"{prompt}\n{response}" for prompt, response in zip(prompts, responses, strict=True)]
    return torch.from_numpy(embed(texts, corpus=()))


def ranking_vectors(embed: Embedder, rankings: Sequence[Ranking]) -> tuple[Tensor, ...]:
    """The vectors of each ranking's responses, (K, D), best first."""
    prompts = [each.prompt for each in rankings for _ in each.responses]
    responses = [text for each in rankings for text in each.responses]
    return text_vectors(embed, prompts, responses).split([len(each.responses) for each in rankings])


def pair_differences(vectors: Sequence[Tensor]) -> Tensor:
    """(N, D): better minus worse, for all pairs of all rankings."""
    return torch.stack([rows[i] - rows[j] for rows in vectors for i, j in combinations(range(len(rows)), 2)])


def fit_heads(vectors: Sequence[Tensor], fit: HeadFit) -> tuple[nn.Sequential, ...]:
    """The heads of an ensemble, by the likelihood of whole rankings: Bradley-Terry where they are pairs."""
    return tuple(_fit_head(vectors, fit, member) for member in range(fit.members))


def _fit_head(vectors: Sequence[Tensor], fit: HeadFit, member: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(fit.seed, "embedding head", member))
        head = nn.Sequential(nn.Linear(vectors[0].shape[1], fit.hidden), nn.ReLU(), nn.Linear(fit.hidden, 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=fit.lr, weight_decay=fit.weight_decay)
    seed = derive_seed(fit.seed, "embedding order", member)
    for epoch in range(fit.epochs):
        for index in shuffled_batches(len(vectors), fit.batch, epoch=epoch, seed=seed):
            optimizer.zero_grad()
            batch = [vectors[row] for row in index]
            rewards = head(torch.cat(batch))[:, 0].split([len(rows) for rows in batch])
            ranking_losses(rewards, "plackett-luce").mean().backward()
            optimizer.step()
    return head.requires_grad_(False)
