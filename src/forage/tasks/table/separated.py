"""Rows of text with separators between the fields: CSV and its relatives, as spreadsheets of any country write them."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError

_NAMED_DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True, slots=True)
class Row:
    """A row and where it stands. `values` is None where it could not be read, and `reason` says why."""

    where: str
    values: Mapping[str, Any] | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Separated:
    """How .csv and .tsv files are written: the character between fields ("": a comma, or a tab in .tsv) and the
    encoding. A mark at the beginning of the file is read whatever the encoding is.

    Raises ForageError for what is no single character (`tab`, `semicolon` and such names are understood) and for an
    encoding that nobody knows.
    """

    delimiter: str = ""
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delimiter", _NAMED_DELIMITERS.get(self.delimiter, self.delimiter))
        if len(self.delimiter) > 1 or self.delimiter in ("\n", "\r", '"'):
            raise ForageError(
                f"Fields are separated by one character or {', '.join(_NAMED_DELIMITERS)}, not by {self.delimiter!r}."
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ForageError(
                f"There is no encoding {self.encoding!r}: utf-8, utf-16, cp1252, latin-1 are some."
            ) from None


def is_utf16(head: bytes) -> bool:
    """Whether a file begins like text in UTF-16, with its mark or with an ASCII character in it."""
    return head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        len(head) >= 4 and (head[0] == head[2] == 0 != head[1] or head[1] == head[3] == 0 != head[0])
    )


def rows_of_text(path: Path, content: bytes, delimiter: str, encoding: str) -> Iterator[Row]:
    """The rows behind the first line, which names the columns. Raises ForageError, in one sentence, where there are no
    names, where two are the same, and where the bytes are not text in the encoding, with the line.
    """
    reader = csv.reader(io.StringIO(_text(path, content, encoding), newline=""), delimiter=delimiter, strict=True)
    header = next(reader, None)
    if header is None:
        raise ForageError(f"The table {path} is empty: its first line must name the columns.")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise ForageError(f"The table {path} has two columns named {twice[0]!r}: rename one of them.")
    before = reader.line_num
    for fields in reader:
        where, before = f"{path}, line {before + 1}", reader.line_num
        if not fields:
            continue
        if len(fields) != len(header):
            yield Row(where, None, f"it has {len(fields)} fields and the first line names {len(header)} columns")
        else:
            yield Row(where, dict(zip(header, fields, strict=True)))


def _text(path: Path, content: bytes, encoding: str) -> str:
    named = codecs.lookup(encoding).name
    if named == "utf-8" and is_utf16(content[:4]):
        raise ForageError(
            f"The table {path} is text in UTF-16, not UTF-8: say so (`encoding` utf-16), or save it as UTF-8."
        )
    try:
        return content.decode("utf-8-sig" if named == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ForageError(
            f"The table {path} cannot be read: line {line} is not text in {named.upper()}. Save it as UTF-8, or say "
            "how it is encoded (`encoding` cp1252 for many spreadsheets)."
        ) from None
