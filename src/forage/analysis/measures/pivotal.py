"""D1: are pivotal words more uncertain than the rest? (Cheng et al., arXiv 2506.14758, section 2)

The statistic is published: mean entropy of the tokens of a class against that of all other tokens, over all responses.
The word list beyond the published examples, the match on text and the intervals are our choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from forage.analysis.measures.contrast import DRAWS, Contrast, contrast, shuffled_within
from forage.analysis.measures.responses import Bools, Floats, Response, flatten, token_mask
from forage.analysis.measures.token_classes import WordList

SHUFFLED = "all, entropies shuffled (placebo)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEntropy:
    """One row: the tokens of a class against all others. `name` is the class; `tokens` says which of a match count."""

    name: str
    tokens: str
    contrast: Contrast


def pivotal_tokens(
    responses: Sequence[Response], words: WordList, *, draws: int = DRAWS, seed: int = 0
) -> tuple[ClassEntropy, ...]:
    """Entropy in nats of each class of `words`, of all classes together, and of the placebo.

    A token belongs to a class if its characters overlap a match. The main rows take the first token of each match (a
    word is decided there); "every token" takes all of them. The placebo shuffles the entropies within each response:
    what is left of its difference comes from whole responses (those with many pivotal words may be more uncertain
    throughout), not from the words.
    """
    tokens = flatten(responses)
    first = token_mask(responses, words.find, first_only=True)
    every = token_mask(responses, words.find)
    shuffled = shuffled_within(tokens.entropy, tokens.response, seed=seed)

    def row(name: str, which: str, member: Bools, values: Floats) -> ClassEntropy:
        measured = contrast(values, member, tokens.problem, draws=draws, seed=seed)
        return ClassEntropy(name=name, tokens=which, contrast=measured)

    rows = [row("all", "first token", first, tokens.entropy), row("all", "every token", every, tokens.entropy)]
    for name in words.classes:
        member = token_mask(responses, lambda text, name=name: words.find(text, name), first_only=True)
        rows.append(row(name, "first token", member, tokens.entropy))
    rows.append(row(SHUFFLED, "first token", first, shuffled))
    return tuple(rows)
