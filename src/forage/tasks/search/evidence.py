"""What documents say of the steps of an answer: judges for a search with retrieval (RAG-Star, arXiv 2412.12881)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from forage.core.errors import ForageError
from forage.tasks.own_function import load_function
from forage.tasks.search.documents import Document
from forage.tasks.verifiers.words import normalized_words

Evidence = Literal["conflict", "silent", "supported"]
"""The documents contradict an answer, say nothing of it, or support it."""

SUPPORT: Mapping[Evidence, int] = {"conflict": 1, "silent": 2, "supported": 3}
"""r_a of `ops.search_rewards.retrieval_reward`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A step as it is judged: what it asks, and what it answers.

    `question` is that of the whole problem, and `before` are (asked, answered) of the steps before, first to last.
    """

    question: str
    asked: str
    answered: str
    before: tuple[tuple[str, str], ...] = ()


class Judgment(NamedTuple):
    """Whether it fits to ask this here, what the documents say of the answer, and what they would answer themselves.

    `refined` takes the place of an answer that they contradict; "" leaves it.
    """

    consistent: bool
    evidence: Evidence
    refined: str = ""


ClaimJudge = Callable[[Claim, Sequence[Document]], Judgment]
"""Judges a claim by the passages that were found for what it asks, best first. The same claim is judged once."""


@dataclass(frozen=True, kw_only=True)
class WordJudge:
    """Judges by words alone, after the normalization of SQuAD.

    A question fits where it shares a word with the problem's question or with an earlier answer, and is no earlier one
    again, other than the problem's own; a step that answers nothing never fits. A passage is about what is asked where
    it has `about` of those words or more; documents are silent where none is. They support an answer all of whose words
    beyond the question stand in one such passage, and contradict any other: their own answer is then what the first
    such passage says beyond the question. Raises ForageError for a share out of range.
    """

    about: float = 0.6

    def __post_init__(self) -> None:
        if not 0 < self.about <= 1:
            raise ForageError(f"A passage is about a question by a share of its words in (0, 1], not {self.about}.")

    def __call__(self, claim: Claim, passages: Sequence[Document]) -> Judgment:
        asked, answered = frozenset(normalized_words(claim.asked)), normalized_words(claim.answered)
        fits = bool(answered) and _fits(claim, asked)
        shown = [normalized_words(f"{passage.title} {passage.text}") for passage in passages]
        about = [words for words in shown if asked and len(asked & set(words)) >= self.about * len(asked)]
        claimed = set(answered) - asked
        if not about or not claimed:
            return Judgment(fits, "silent")
        if any(claimed <= set(words) for words in about):
            return Judgment(fits, "supported")
        return Judgment(fits, "conflict", " ".join(word for word in about[0] if word not in asked))


def parse_judge(text: str) -> ClaimJudge:
    """`words`, or a function of one's own as `module:function`. Raises ForageError for anything else."""
    return WordJudge() if text == "words" else cast(ClaimJudge, load_function(text))


def judged(judge: ClaimJudge, claim: Claim, passages: Sequence[Document]) -> Judgment:
    """What the judge says. Raises ForageError where that is no judgment, as a function of one's own may return."""
    judgment: object = judge(claim, passages)
    match judgment:
        case (fits, "conflict" | "silent" | "supported" as evidence):
            return Judgment(bool(fits), evidence)
        case (fits, "conflict" | "silent" | "supported" as evidence, str() as refined):
            return Judgment(bool(fits), evidence, refined)
    raise ForageError(
        "A judge of claims returns whether the question fits and one of 'conflict', 'silent' and 'supported', and "
        f"perhaps the answer of the documents as a text; it returned {judgment!r}."
    )


def _fits(claim: Claim, asked: frozenset[str]) -> bool:
    whole = frozenset(normalized_words(claim.question))
    earlier = [frozenset(normalized_words(question)) for question, _ in claim.before]
    known = whole.union(*(normalized_words(answer) for _, answer in claim.before))
    return (asked == whole or asked not in earlier) and not asked.isdisjoint(known)
