"""Words of a text and where they stand: the one reading of text that mining and matching share.

Letters are lower-cased and curly quotes straightened without moving a character, so offsets are those of the text.
A run of words ends at a line break and at every sign but a space, a comma, a quotation mark, a mark of emphasis
(`*`, `_`) or the hyphen inside a word: a phrase never reaches across the end of a sentence or over a formula.
"""

import re

SCANNER = re.compile(
    r"(\\?[^\W_]+(?:'[^\W_]+)*)"  # group 1: a word, with its apostrophes; LaTeX commands keep their backslash
    r"|([^\w\s,\"'“”*-]|[\n\r]|-{2,}|(?<=\s)[*-](?=\s))"  # group 2: the run ends
)
"""Finds, in folded text, words (group 1) and the ends of runs (group 2)."""

_QUOTES = str.maketrans("\u2018\u2019\u02bc", "'''")
_NO_VARIABLES = frozenset("ai")


def fold(text: str) -> str:
    """The text in lower case with straight apostrophes, character by character: offsets do not move."""
    straight = text if text.isascii() else text.translate(_QUOTES)
    lowered = straight.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in straight)


def runs(text: str) -> list[list[str]]:
    """The folded words of a text, one list for each run."""
    lists: list[list[str]] = [[]]
    for word, end in SCANNER.findall(fold(text)):
        if end:
            lists.append([])
        else:
            lists[-1].append(word)
    return [run for run in lists if run]


def normal_gram(text: str) -> str:
    """A phrase as grams are written: folded words with one space between. "" where it has none or spans two runs."""
    word_runs = runs(text)
    return " ".join(word_runs[0]) if len(word_runs) == 1 else ""


def is_formula(word: str) -> bool:
    """Whether a folded word belongs to a formula: digits, a LaTeX command, a letter standing alone (but "a", "i")."""
    single = len(word) == 1 and word.isascii() and word not in _NO_VARIABLES
    return single or word.startswith("\\") or any(character.isdigit() for character in word)
