"""Classes of pivotal words: versioned lists that come with the package, or a file of one's own."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from forage.analysis.measures.responses import Span
from forage.core.errors import ForageError

FORMAT = "forage token classes 1"
APOSTROPHES = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'"})


@dataclass(frozen=True, kw_only=True)
class WordList:
    """Classes of words and phrases. `published` are those of them that the paper prints; the others are our choice.

    `sentence_starts` are words that begin a sentence in texts without punctuation.
    """

    name: str
    version: int
    classes: Mapping[str, tuple[str, ...]]
    published: frozenset[str] = frozenset()
    sentence_starts: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """Name, version and a hash of the content: what an analysis must record to be repeated."""
        content = [sorted((name, sorted(words)) for name, words in self.classes.items()), sorted(self.sentence_starts)]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return f"{self.name}-{self.version}-{digest[:12]}"

    def find(self, text: str, name: str | None = None) -> list[Span]:
        """Where the words of a class (None: of any) stand in `text`: whole words in any case, the longest first."""
        return [match.span() for match in self._patterns[name].finditer(text.translate(APOSTROPHES))]

    @cached_property
    def _patterns(self) -> dict[str | None, re.Pattern[str]]:
        everything = [word for words in self.classes.values() for word in words]
        return {None: _pattern(everything)} | {name: _pattern(words) for name, words in self.classes.items()}


def word_list(name: str = "english") -> WordList:
    """A list that comes with the package ("english", "countdown"), or the JSON file of that path.

    A file holds {"format": "forage token classes 1", "classes": {NAME: [WORD, ...]}}. Raises ForageError where there
    is neither, or the file does not hold that.
    """
    shipped = json.loads(files("forage.analysis.measures").joinpath("token_classes.json").read_text(encoding="utf-8"))
    if name in shipped["lists"]:
        return _read(name, shipped["lists"][name])
    path = Path(name)
    if not path.is_file():
        known = ", ".join(shipped["lists"])
        raise ForageError(f"There is no word list {name!r}: name a JSON file or one of {known}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        return _read(path.stem, content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForageError(f"The word list {path} cannot be read ({error}). See `forage analyze --help`.") from error


def _read(name: str, content: Mapping[str, Any]) -> WordList:
    classes = {str(key): _words(value) for key, value in content["classes"].items()}
    if not any(classes.values()):
        raise ValueError("it holds no words")
    return WordList(
        name=name,
        version=int(content.get("version", 1)),
        classes=classes,
        published=frozenset(content.get("published", ())),
        sentence_starts=_words(content.get("sentence_starts", ())),
    )


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) and word.strip() for word in value):
        raise ValueError("words must be a list of texts that are not empty")
    return tuple(word.lower().translate(APOSTROPHES) for word in value)


def _pattern(words: tuple[str, ...] | list[str]) -> re.Pattern[str]:
    """Whole words in any case; the blanks of a phrase match any space. No words match nothing."""
    if not words:
        return re.compile(r"(?!)")
    parts = [r"\s+".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)
