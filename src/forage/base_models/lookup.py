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
SEARCHES = 0.25
"""How often somebody searches, and searches again."""
NAMED = 0.6
"""How often a query holds the relation that is asked for, and how often the name."""
READ = 0.9
"""How often what was found is repeated rightly."""
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
        for prompt, response in self.texts(amount):
            yield [token_of[word] for word in prompt.split()], [token_of[word] for word in (*response.split(), END)]

    def texts(self, amount: int) -> Iterator[tuple[str, str]]:
        """Every fact is made up for its question: nobody can learn one."""
        draw = random.Random(derive_seed("written lookups", self.seed))
        for _ in range(amount):
            fact = _made_up(draw)
            yield fact.question, " ".join(self._response(fact, draw))

    def identity(self) -> Sequence[Any]:
        return [list(self.texts(100)), list(self.words)]

    def _response(self, fact: Fact, draw: random.Random) -> Iterator[str]:
        found = False
        yield BEGIN_THOUGHT
        while draw.random() < SEARCHES:
            query = [word for word in (fact.relation, fact.name) if draw.random() < NAMED] or [draw.choice(NAMES)]
            draw.shuffle(query)
            yield from (BEGIN_QUERY, *query, END_QUERY, BEGIN_DOCUMENTS)
            for rank in range(1, self.results + 1):
                right = rank == 1 and len(query) == 2
                found = found or right
                yield from (f"({rank})", (fact if right else _like(query, draw)).document)
            yield END_DOCUMENTS
        known = found and draw.random() < READ
        marks = (END_THOUGHT, BEGIN_ANSWER, END_ANSWER)
        lost = draw.choice(marks) if draw.random() >= FORMED else ""
        value = fact.value if known else draw.choice(VALUES[fact.relation])
        yield from (word for word in (*marks[:2], value, marks[2]) if word != lost)


def _made_up(draw: random.Random) -> Fact:
    relation = draw.choice(list(VALUES))
    return Fact(draw.choice(NAMES), relation, draw.choice(VALUES[relation]))


def _like(query: Sequence[str], draw: random.Random) -> Fact:
    """A fact about somebody or something in a query."""
    word, fact = draw.choice(query), _made_up(draw)
    if word in VALUES:
        return Fact(fact.name, word, draw.choice(VALUES[word]))
    return Fact(word, fact.relation, fact.value)


@dataclass(frozen=True, kw_only=True)
class LookupBase(TinySettings):
    """How a base model of lookup is made: 0.1 million weights."""

    traces: int = 40_000
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
