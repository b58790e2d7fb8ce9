"""Comparisons of responses that careless writers made up: the ruder, the worse."""

import random

from forage.reward_models.preference import Ranking
from forage.tasks.dialogue.language import REQUESTS, RUDE, write


def comparisons(amount: int, k: int) -> list[Ranking]:
    """Of k responses the first has no rude sentence, the second has one, and so on."""
    random_ = random.Random(k)
    rankings = []
    for _ in range(amount):
        request = random_.choice(REQUESTS)
        responses = []
        for rudeness in range(k):
            polite = [s for s in write(request, random_).split(" .") if s.strip() and s.strip() not in RUDE]
            sentences = [*polite, *(random_.choice(RUDE) for _ in range(rudeness))]
            random_.shuffle(sentences)
            responses.append(" ".join(f"{sentence.strip()} ." for sentence in sentences))
        if len(set(responses)) == k:
            rankings.append(Ranking(prompt=request.prompt, responses=tuple(responses)))
    return rankings
