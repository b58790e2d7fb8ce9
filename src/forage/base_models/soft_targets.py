"""Responses drawn from a known distribution, with the whole distribution of each of their tokens."""

import torch
from torch import Tensor


def draw_with_targets(
    texts: Tensor, chances: Tensor, *, vocabulary: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A response to each problem and, along it, p(next token | its beginning): (P, R) int64 and (P, R, V) float32.

    texts (N, R) int64: the tokens of every possible response. chances (P, N) float: how likely each is, sums of 1. The
    cross-entropy with these targets has the gradient of the whole tree of responses in expectation, at the cost of one.
    """
    drawn = torch.multinomial(chances, 1, generator=generator).squeeze(1)
    responses = texts[drawn]
    alive = chances.clone()
    targets = torch.zeros(len(chances), texts.shape[1], vocabulary)
    for place in range(texts.shape[1]):
        targets[:, place].index_add_(1, texts[:, place], alive)
        alive = alive * (texts[:, place] == responses[:, place, None])
    return responses, targets / targets.sum(-1, keepdim=True)
