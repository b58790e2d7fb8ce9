"""A search engine as an environment: it answers the queries inside of a response with documents (arXiv 2503.05592)."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.searches import BEGIN_DOCUMENTS, END_DOCUMENTS, END_QUERY, harmless, last_query, without_documents
from forage.core.turns import Environment
from forage.tasks.search.documents import Document, Documents
from forage.tasks.search.index import PassageIndex, open_index

NOTHING = "None"
"""What is said where nothing was found."""


@dataclass(frozen=True, kw_only=True)
class SearchEnvironment(Environment):
    """Answers `<|begin_of_query|> words <|end_of_query|>` with the best `results` passages of `documents`.

    A passage has at most `words` words. A response has at most `searches` searches: one more cuts it off. The index is
    kept in the file `index`, in memory without one. `shuffled` is the control: every passage that is found gives its
    place to another one, half of the collection further on. Raises ForageError for settings out of range.
    """

    documents: Documents
    results: int = 3
    searches: int = 4
    words: int = 100
    index: str = ""
    shuffled: bool = False

    turn_ends = (END_QUERY,)

    def __post_init__(self) -> None:
        if min(self.results, self.searches, self.words) < 1:
            raise ForageError(
                "A search gives 1 passage of 1 word at least, and a response has 1 search at least, not "
                f"{self.results}, {self.words} and {self.searches}."
            )

    @property
    def max_turns(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.searches + 1

    def reply(self, problem: Problem, text: str) -> str | None:
        """What was found; None behind a turn that ends without a query."""
        query = last_query(text)
        if query is None:
            return None
        shown = [f"({rank}) {_shown(passage)}" for rank, passage in enumerate(self.find(query), 1)]
        return "\n".join(["", BEGIN_DOCUMENTS, *(shown or [NOTHING]), END_DOCUMENTS, ""])

    def own_text(self, text: str) -> str:
        return without_documents(text)

    def find(self, query: str) -> tuple[Document, ...]:
        """The passages that a query is answered with, best first."""
        numbers, size = self._index.search(query, self.results), self._index.size
        moved = size // 2 if self.shuffled else 0
        return tuple(self._index.passage((number + moved) % size) for number in numbers)

    @cached_property
    def _index(self) -> PassageIndex:
        return open_index(self.documents, words=self.words, place=Path(self.index) if self.index else None)


def _shown(passage: Document) -> str:
    title, text = harmless(passage.title), harmless(passage.text)
    return f"{title}: {text}" if title else text
