"""The search engine: BM25 against its formula, ties, hostile queries, and the index in a file."""

import math
import random
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.tasks.search.documents import Document, Documents
from forage.tasks.search.index import QUERY_WORDS, PassageIndex, match_expression, open_index


@dataclass(frozen=True, kw_only=True)
class Texts(Documents):
    """Documents without titles; the same object in every test that names the same texts."""

    texts: tuple[str, ...]

    @property
    def digest(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return str(hash(self.texts))

    def read(self) -> Iterator[Document]:
        return (Document("", text) for text in self.texts)


def index_of(*texts: str) -> PassageIndex:
    return open_index(Texts(texts=texts), words=100)


def bm25(texts: list[list[str]], query: list[str], place: int) -> float:
    """By the formula, with SQLite's k1 = 1.2, b = 0.75 and inverse frequencies of at least 1e-6."""
    mean = sum(map(len, texts)) / len(texts)
    total = 0.0
    for word in query:
        holding = sum(word in text for text in texts)
        rarity = max(math.log((len(texts) - holding + 0.5) / (holding + 0.5)), 1e-6)
        count = texts[place].count(word)
        total += rarity * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(texts[place]) / mean))
    return total


def test_the_ranking_is_bm25_and_the_first_of_equals_comes_first() -> None:
    draw = random.Random(3)
    texts = [draw.choices("abcdefgh", weights=range(1, 9), k=draw.randint(2, 7)) for _ in range(30)]
    index = index_of(*map(" ".join, texts))
    for _ in range(60):
        query = draw.sample("abcdefgh", k=draw.randint(1, 3))
        holding = [place for place, text in enumerate(texts) if set(query) & set(text)]
        ranked = sorted(holding, key=lambda place: (-round(bm25(texts, query, place), 9), place))
        assert index.search(" ".join(query), 5) == tuple(ranked[:5]), query
    assert index_of("b a", "a b", "c", "a b").search("b a", 9) == (0, 1, 3)


HOSTILE = [
    *('"', "'", '" OR 1=1 --', 'a" OR b', "red'); DROP TABLE passages; --", "title : red", "{title text} : red"),
    *("NEAR(red blue, 5)", "red NEAR", "red AND NOT red", "AND OR NOT", "OR", "^red", "red*", "- red", "+red"),
    *("(red", "red)", "passages", "rank", "\x00red", "re\x00d", "red\ud800", "😀 red", "_", "²", "٣", "\u0300", ""),
    *("(" * 5000, "a" * 100_000, "red " * 5000, " ".join(map(str, range(5000)))),
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_a_policy_writes_is_words(query: str) -> None:
    index = index_of("red house", "blue or near", "green")
    found = index.search(query, 3)
    words = set(re.findall(r"[a-z]+", query.lower()))
    assert found == tuple(place for place in found if place in range(3))
    assert (0 in found) == ("red" in words), "found where the word is said, and never without"
    assert (2 in found) == ("green" in words)
    assert index.search("green", 3) == (2,), "and nothing was changed"


def test_random_queries_never_fail() -> None:
    index, draw = index_of("red house", "blue or near"), random.Random(0)
    for _ in range(3000):
        query = "".join(draw.choices(['"', "'", "(", ")", "*", "^", ":", "-", " ", "OR", "NOT", "a", "\x00", "{"], k=9))
        assert len(index.search(query, 2)) <= 2
    for _ in range(2000):
        index.search("".join(map(chr, draw.choices(range(0x3000), k=8))), 2)


def test_words_of_a_query_by_hand() -> None:
    assert match_expression("Red, red HOUSE! o'clock_x") == '"red" OR "house" OR "o" OR "clock" OR "x"'
    assert match_expression(" ?! ") == ""
    assert match_expression(" ".join(map(str, range(99)))).count("OR") == QUERY_WORDS - 1


def test_titles_are_found_and_passages_come_with_them(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class One(Documents):
        digest: str = "one"

        def read(self) -> Iterator[Document]:
            yield Document("Oslo", "a city in the north \ud800")

    index = open_index(One(), words=3)
    assert index.size == 2
    assert index.search("oslo", 5) == (1, 0), "the shorter one first: a sign is no word"
    assert [index.passage(number) for number in (0, 1)] == [("Oslo", "a city in"), ("Oslo", "the north ?")]


def test_an_index_in_a_file_is_built_once_and_belongs_to_its_documents(tmp_path: Path) -> None:
    place, texts = tmp_path / "deep" / "index.sqlite", Texts(texts=("red house", "blue barn"))
    first = open_index(texts, words=100, place=place)
    written = place.read_bytes()
    assert [*place.parent.iterdir()] == [place], "nothing else is left"
    again = open_index(texts, words=100, place=place)
    assert place.read_bytes() == written
    for index in (first, again, open_index(texts, words=100)):
        assert index.search("barn red", 5) == (0, 1)
        assert index.passage(1) == ("", "blue barn")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        again._connection.execute("DELETE FROM passages")
    for other in (Texts(texts=("green",)), texts):
        with pytest.raises(ForageError, match="index of other documents"):
            open_index(other, words=100 if other is not texts else 99, place=place)


def test_a_file_that_is_no_index_is_refused_and_kept(tmp_path: Path) -> None:
    place = tmp_path / "notes.txt"
    place.write_text("my notes " * 200)
    with pytest.raises(ForageError, match="no index of documents"):
        open_index(Texts(texts=("a",)), words=9, place=place)
    assert place.read_text().startswith("my notes")


def test_without_words_there_is_nothing_to_search(tmp_path: Path) -> None:
    for place in (None, tmp_path / "index"):
        with pytest.raises(ForageError, match="hold no words"):
            open_index(Texts(texts=("", "  ")), words=9, place=place)
    assert not [*tmp_path.iterdir()]
