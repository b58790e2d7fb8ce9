"""A search engine over passages: full-text search of SQLite, ranked by BM25, in memory or in a file."""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from forage.core.errors import ForageError
from forage.tasks.search.documents import Document, Documents, passages

QUERY_WORDS = 32
"""Different words of a query that are looked for, the first ones."""

_WORD = re.compile(r"[^\W_]+")


class PassageIndex:
    """Finds passages by words. The same words find the same passages in the same order; the first of equals first."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (self._size,) = connection.execute("SELECT count(*) FROM passages").fetchone()

    @property
    def size(self) -> int:
        """How many passages there are."""
        return self._size

    def search(self, query: str, limit: int) -> tuple[int, ...]:
        """The numbers, from 0, of the passages that hold any word of the query, best first; at most `limit`.

        Whatever the query is, it is words: nothing in it is read as an operator.
        """
        matching = match_expression(query)
        if not matching:
            return ()
        rows = self._connection.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages), rowid LIMIT ?",
            (matching, limit),
        )
        return tuple(number - 1 for (number,) in rows)

    def passage(self, number: int) -> Document:
        row = self._connection.execute("SELECT title, text FROM passages WHERE rowid = ?", (number + 1,)).fetchone()
        return Document(*row)


def match_expression(query: str) -> str:
    """Any of the query's words, each in quotation marks, which no word holds; "" where there is none."""
    words = dict.fromkeys(word.casefold() for word in _WORD.findall(query))
    return " OR ".join(f'"{word}"' for word in [*words][:QUERY_WORDS])


def open_index(documents: Documents, *, words: int, place: Path | None = None) -> PassageIndex:
    """The index of documents in passages of `words` words, in memory or in the file `place`, built unless it is there.

    Raises ForageError where there is no document, and where the file is no index of these documents.
    """
    if place is None:
        return PassageIndex(_filled(sqlite3.connect(":memory:", check_same_thread=False), documents, words))
    if not place.exists():
        _write(place, documents, words)
    address = f"file:{quote(str(place.resolve()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        known = connection.execute("SELECT name FROM content").fetchone()
    except sqlite3.Error as error:
        raise ForageError(f"{place} is no index of documents ({error}). Name a file that does not exist.") from error
    if known != (_name(documents, words),):
        connection.close()
        raise ForageError(f"{place} is the index of other documents. Delete it, or name a file that does not exist.")
    return PassageIndex(connection)


def _write(place: Path, documents: Documents, words: int) -> None:
    """Builds the file beside its place, so that it is there whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
    os.close(handle)
    try:
        with closing(sqlite3.connect(scratch)) as connection:
            _filled(connection, documents, words)
        os.replace(scratch, place)
    except sqlite3.Error as error:
        raise ForageError(f"The index {place} cannot be written: {error}.") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(scratch)


def _filled(connection: sqlite3.Connection, documents: Documents, words: int) -> sqlite3.Connection:
    try:
        connection.execute("CREATE VIRTUAL TABLE passages USING fts5(title, text)")
    except sqlite3.OperationalError as error:
        raise ForageError(f"Searching needs an SQLite with FTS5, and this Python's has none ({error}).") from error
    connection.executemany("INSERT INTO passages (title, text) VALUES (?, ?)", _rows(documents.read(), words))
    connection.execute("CREATE TABLE content (name TEXT)")
    connection.execute("INSERT INTO content VALUES (?)", (_name(documents, words),))
    connection.commit()
    if not connection.execute("SELECT count(*) FROM passages").fetchone()[0]:
        raise ForageError("There is nothing to search: the documents hold no words.")
    return connection


def _rows(documents: Iterable[Document], words: int) -> Iterator[tuple[str, str]]:
    for document in documents:
        for title, text in passages(document, words):
            yield _storable(title), _storable(text)


def _storable(text: str) -> str:
    """The text with what UTF-8 cannot say (half of a character) replaced."""
    return text.encode(errors="replace").decode()


def _name(documents: Documents, words: int) -> str:
    return f"{documents.digest} in passages of {words} words"
