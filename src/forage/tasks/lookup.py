"""Lookup: questions about facts that stand in documents and nowhere else, so that they have to be searched for.

The smallest task in which retrieval is really needed: nothing in a question tells its answer, and the names that tests
ask about occur in no training question.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal, NamedTuple

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.core.searches import BEGIN_ANSWER, END_THOUGHT, without_documents
from forage.core.turns import Environment
from forage.tasks.search import Document, Documents, SearchEnvironment
from forage.tasks.verifiers.words import WordF1

NAMES = tuple(
    first + second
    for first, second in itertools.product(("ba", "de", "ki", "lo", "mu", "so"), ("lan", "mir", "nok", "tel"))
)
VALUES = {
    "color": ("red", "blue", "green", "black", "white", "gray", "brown", "pink"),
    "city": ("rome", "oslo", "lima", "cairo", "delhi", "paris", "tokyo", "quito"),
    "food": ("rice", "soup", "bread", "fish", "corn", "beans", "eggs", "figs"),
    "pet": ("cat", "dog", "fox", "owl", "hen", "crow", "goat", "newt"),
}
"""What is known of everybody, and what it may be."""

HELD_OUT = 8
"""Names that only tests ask about."""


class Fact(NamedTuple):
    name: str
    relation: str
    value: str

    @property
    def question(self) -> str:
        return f"{self.relation} of {self.name} ?"

    @property
    def document(self) -> str:
        return f"{self.name} {self.relation} {self.value}"


@cache
def facts() -> tuple[Fact, ...]:
    """All facts, in the order of their documents, which says nothing."""
    draw = random.Random("facts to look up")
    known = [Fact(name, relation, draw.choice(VALUES[relation])) for name in NAMES for relation in VALUES]
    draw.shuffle(known)
    return tuple(known)


@dataclass(frozen=True, kw_only=True)
class FactDocuments(Documents):
    """A document for every fact, as `balan color red`."""

    @property
    def digest(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hashlib.blake2b("\n".join(fact.document for fact in facts()).encode(), digest_size=16).hexdigest()

    def read(self) -> Iterator[Document]:
        return (Document("", fact.document) for fact in facts())


@dataclass(frozen=True, kw_only=True)
class Lookup(Task):
    """Answer questions such as `color of balan ?` with the help of a search engine over all facts.

    An answer is right where it is the value of the fact, and there are eight values to choose from. `results` and
    `searches` are those of `SearchEnvironment`. `seed` selects the training problems, of 16 names; the test problems,
    of 8 others, do not depend on it. Raises ForageError for settings out of range.
    """

    name: ClassVar[str] = "lookup"

    results: int = 1
    searches: int = 3
    seed: int = 0
    train_problems: int = 64

    def __post_init__(self) -> None:
        most = (len(NAMES) - HELD_OUT) * len(VALUES)
        if not 1 <= self.train_problems <= most or min(self.results, self.searches) < 1:
            raise ForageError(
                f"Lookup has 1 to {most} training problems, and 1 result and 1 search at least, not "
                f"{self.train_problems}, {self.results} and {self.searches}."
            )

    @property
    def environment(self) -> Environment:
        return SearchEnvironment(documents=FactDocuments(), results=self.results, searches=self.searches)

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Lookup has the splits 'train' and 'test', not {split!r}.")
        asked = [fact for fact in facts() if (fact.name in held_out()) == (split == "test")]
        if split == "train":
            random.Random(f"lookup {self.seed}").shuffle(asked)
            asked = asked[: self.train_problems]
        return tuple(
            Problem(id=f"lookup:{fact.name}-{fact.relation}", prompt=fact.question, answer=fact.value, task=self.name)
            for fact in asked
        )

    def verify(self, problem: Problem, text: str) -> Score:
        return WordF1()(problem, without_documents(text))

    def quick(self, problem: Problem, text: str) -> Score:
        return self.verify(problem, text)

    def answer(self, problem: Problem, text: str) -> str | None:
        return WordF1().answer(problem, without_documents(text))

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return WordF1().marks_answer(problem, without_documents(text))

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str]:
        """The value of the fact, unless another is given, behind the end of the thought."""
        return f" {END_THOUGHT} {BEGIN_ANSWER}", f" {problem.answer if answer is None else answer}"


def held_out() -> tuple[str, ...]:
    """The names that tests ask about: every third."""
    return NAMES[1::3]
