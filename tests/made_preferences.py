"""Comparisons of responses that careless writers made up."""

import random

from forage.preferences import Ranking
from forage.tasks.dialogue import rank
from forage.tasks.dialogue.language import REQUESTS, write


def comparisons(amount: int, k: int, *, noise: float = 0.0) -> list[Ranking]:
    random_ = random.Random(k)
    found = []
    while len(found) < amount:
        request = random_.choice(REQUESTS)
        texts = tuple(dict.fromkeys(write(request, random_) for _ in range(3 * k)))[:k]
        if len(texts) == k:
            ranked = rank(request.prompt, texts, noise=noise, seed=len(found))
            found.append(Ranking(prompt=request.prompt, responses=ranked))
    return found
