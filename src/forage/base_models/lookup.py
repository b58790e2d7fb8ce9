"""The base model of lookup: it knows no fact, mostly guesses, seldom searches, and reads what it is shown."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build, word_tokenizer
from forage.core.searches import (
    BEGIN_ANSWER,
    BEGIN_DOCUMENTS,
    BEGIN_QUERY,
    BEGIN_THOUGHT,
    END_ANSWER,
    END_DOCUMENTS,
    END_QUERY,
    END_THOUGHT,
    MARKS,
)
from forage.core.seeds import derive_seed
from forage.tasks.lookup import NAMES, VALUES, Fact, Lookup
from forage.tasks.search.environment import NOTHING

PAD, END = "<pad>", "<eos>"
SEARCHES, AGAIN = 0.1, 0.1
"""How often somebody searches, and searches again."""
NAMED = 0.8
"""How often a query holds the relation that is asked for, and how often the name."""
READ = 0.9
"""How often what was found is the answer."""
FORMED = 0.7
"""How often a response has its form."""


@dataclass(frozen=True)
class WrittenLookups(Language):
    """Questions, and what careless people write, who know nothing and have a search engine of `results` results."""

    seed: int
    results: int

    @property
    def words(self) -> Sequence[str]:
        ranks = [f"({rank})" for rank in range(1, self.results + 1)]
        values = [value for kind in VALUES.values() for value in kind]
        return (PAD, END, *MARKS, "of", "?", NOTHING, *ranks, *VALUES, *values, *NAMES)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return word_tokenizer(self.words, end=END, pad=PAD)

    def written(self, amount: int) -> Iterator[Example]:
        token_of = {word: token for token, word in enumerate(self.words)}
        for before, turn in self.turns(amount):
            yield [token_of[word] for word in before], [token_of[word] for word in turn]

    def turns(self, amount: int) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
        """What stands before a turn, and the turn: first turns, queries that were begun, and turns behind a search.

        So a model can search better than it often does. Documents are read and never written. Every fact is made up for
        its question: nobody can learn one.
        """
        draw = random.Random(derive_seed("written lookups", self.seed))
        for number in range(amount):
            relation = draw.choice(list(VALUES))
            fact = Fact(draw.choice(NAMES), relation, draw.choice(VALUES[relation]))
            question, query = fact.question.split(), _query(fact, draw)
            if number % 3 == 0:
                yield question, _turn(fact, (), draw)
            elif number % 3 == 1:
                yield [*question, BEGIN_THOUGHT, BEGIN_QUERY], query[1:]
            else:
                shown = self._found(fact, query, draw)
                yield (
                    [*question, BEGIN_THOUGHT, *query, BEGIN_DOCUMENTS, *shown, END_DOCUMENTS],
                    _turn(fact, shown, draw),
                )

    def identity(self) -> Sequence[Any]:
        return [list(self.turns(100)), list(self.words)]

    def _found(self, fact: Fact, query: Sequence[str], draw: random.Random) -> tuple[str, ...]:
        """What a search engine says: facts that hold a word of the query; first, where both are there, the one."""
        shown: list[str] = []
        for rank in range(1, self.results + 1):
            right = rank == 1 and {fact.name, fact.relation} <= set(query)
            shown += [f"({rank})", *(fact if right else _like(draw.choice(query[1:-1]), draw))]
        return tuple(shown)


def _query(fact: Fact, draw: random.Random) -> tuple[str, ...]:
    words = [word for word in (fact.relation, fact.name) if draw.random() < NAMED] or [draw.choice(NAMES)]
    draw.shuffle(words)
    return (BEGIN_QUERY, *words, END_QUERY)


def _turn(fact: Fact, shown: Sequence[str], draw: random.Random) -> tuple[str, ...]:
    """Another search, or the end of a response: mostly what was found first, whatever that is, or a guess."""
    opening = () if shown else (BEGIN_THOUGHT,)
    if draw.random() < (AGAIN if shown else SEARCHES):
        return (*opening, *_query(fact, draw))
    marks = (END_THOUGHT, BEGIN_ANSWER, END_ANSWER)
    lost = draw.choice(marks) if draw.random() >= FORMED else ""
    value = shown[3] if shown and draw.random() < READ else draw.choice(VALUES[fact.relation])
    return (*opening, *(word for word in (*marks[:2], value, marks[2]) if word != lost), END)


def _like(word: str, draw: random.Random) -> Fact:
    """A fact about somebody or something."""
    relation = word if word in VALUES else draw.choice(list(VALUES))
    return Fact(draw.choice(NAMES) if word in VALUES else word, relation, draw.choice(VALUES[relation]))


@dataclass(frozen=True, kw_only=True)
class LookupBase(TinySettings):
    """How a base model of lookup is made: 0.1 million weights."""

    traces: int = 60_000
    steps: int = 900
    layers: int = 2
    hidden: int = 64
    heads: int = 2
    inner: int = 192
    weight_decay: float = 0.0

    results: int = Lookup.results

    @property
    def language(self) -> WrittenLookups:
        return WrittenLookups(self.seed, self.results)

    @property
    def world(self) -> str:
        return f"lookup:results={self.results}"

    @property
    def label(self) -> str:
        return f"base-lookup-{self.results}"

    @property
    def max_tokens(self) -> int:
        return response_tokens(results=self.results, searches=Lookup.searches)


def response_tokens(*, results: int, searches: int) -> int:
    """Room for all searches, with two words in each query, and the rest of a response."""
    return searches * (6 + 4 * results) + 8


def build_lookup_base(
    out: Path | None = None, *, results: int = Lookup.results, seed: int = 0, progress: bool = True
) -> Path:
    """The directory of the base model for lookups with so many results, built unless it exists: `tiny_model.build`.

    `seed` selects what is written, initial weights and order. Raises ForageError where `out` holds something else.
    """
    settings = {**asdict(LookupBase()), "results": results, "seed": seed}
    return build(LookupBase(**settings), out, progress=progress)
