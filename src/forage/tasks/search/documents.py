"""Documents that a search engine finds: somebody's files, or what a task makes up."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from forage.core.errors import ForageError
from forage.tasks.table.files import content_digest, data_files, read_rows

TEXT_FILES = (".txt", ".md")
TEXT_COLUMNS = ("text", "contents")


class Document(NamedTuple):
    """A title, which may be empty, and a text."""

    title: str
    text: str


class Documents(ABC):
    """Where documents come from: a frozen dataclass, whose `digest` names the content."""

    digest: str

    @abstractmethod
    def read(self) -> Iterator[Document]:
        """All documents, always in the same order."""

    def settled(self) -> "Documents":
        """The same with the content named, so that a change is noticed."""
        return self


@dataclass(frozen=True, kw_only=True)
class DocumentFiles(Documents):
    """The rows of a table (`text` or `contents`, and `title` where there is one), or a folder of text files.

    A text file is a document, and its name is the title. `digest` names the content that was meant, "" where any is.
    """

    path: str
    digest: str = ""

    def read(self) -> Iterator[Document]:
        """Raises ForageError for a row without a text, and where the content is not the one that `digest` names."""
        files, texts = self._files()
        if self.digest and self.digest != _digest(files, texts=texts):
            raise ForageError(
                f"The documents {self.path} have changed since this run began, so it would find other ones. Put the "
                "old content back, or begin a new run."
            )
        if texts:
            return (Document(file.stem, _text_of(file)) for file in files)
        return (_document(row.where, row.values, row.reason) for row in read_rows(files))

    def settled(self) -> "DocumentFiles":
        files, texts = self._files()
        return replace(self, path=str(_place(self.path)), digest=_digest(files, texts=texts))

    def _files(self) -> tuple[tuple[Path, ...], bool]:
        """The files in order, and whether each of them is one text."""
        place = _place(self.path)
        if not place.exists():
            raise ForageError(f"There are no documents at {place}.")
        if place.is_file() and place.suffix in TEXT_FILES:
            return (place,), True
        text_files = sorted(file for file in place.rglob("*") if file.suffix in TEXT_FILES and file.is_file())
        return (tuple(text_files), True) if text_files else (data_files(place), False)


def passages(document: Document, words: int) -> Iterator[Document]:
    """A document in pieces of at most `words` words, each with its title; none where it has no words."""
    spoken = document.text.split()
    for begin in range(0, len(spoken), words):
        yield Document(document.title, " ".join(spoken[begin : begin + words]))


def _place(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _digest(files: tuple[Path, ...], *, texts: bool) -> str:
    """Of what the files hold and, where they are titles, of their names."""
    names = "\0".join(file.stem for file in files) if texts else ""
    return hashlib.blake2b(f"{content_digest(files)}{names}".encode(), digest_size=16).hexdigest()


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The document {file} cannot be read as text in UTF-8: {error}.") from error


def _document(where: str, row: Mapping[str, Any] | None, reason: str) -> Document:
    values = row or {}
    text = next((values[name] for name in TEXT_COLUMNS if name in values), None)
    title = values.get("title") or ""
    if not isinstance(text, str) or not isinstance(title, str):
        raise ForageError(
            f"{where}: {reason or 'a document has a text in the column text (or contents), and may have a title'}."
        )
    return Document(title, text)
