"""How searches are written inside of a response, and what a text says of them (R1-Searcher, arXiv 2503.05592).

    <think> ... <|begin_of_query|> words <|end_of_query|> ... </think> <answer> ... </answer>

A search engine answers a query right behind its end, with <|begin_of_documents|> ... <|end_of_documents|>. What it
says holds none of these marks (`harmless`), so a text alone tells what the policy wrote. Linear in the text.
"""

import re

BEGIN_QUERY, END_QUERY = "<|begin_of_query|>", "<|end_of_query|>"
BEGIN_DOCUMENTS, END_DOCUMENTS = "<|begin_of_documents|>", "<|end_of_documents|>"
BEGIN_THOUGHT, END_THOUGHT = "<think>", "</think>"
BEGIN_ANSWER, END_ANSWER = "<answer>", "</answer>"

MARKS = (
    *(BEGIN_QUERY, END_QUERY, BEGIN_DOCUMENTS, END_DOCUMENTS),
    *(BEGIN_THOUGHT, END_THOUGHT, BEGIN_ANSWER, END_ANSWER),
)

_MARK = "|".join(map(re.escape, MARKS))
_PLAIN = rf"(?:(?!{_MARK}).)*"
_WORDS = rf"\s*(?!{_MARK})\S{_PLAIN}"
_QUERY, _END, _DOCUMENTS = map(re.escape, (BEGIN_QUERY, END_QUERY, BEGIN_DOCUMENTS))
_SHOWN = re.compile(rf"{_DOCUMENTS}.*?(?:{re.escape(END_DOCUMENTS)}|\Z)", re.DOTALL)
_ANSWERED = re.compile(rf"{_END}\s*{_SHOWN.pattern}", re.DOTALL)
_TURN = re.compile(rf"{_PLAIN}{_QUERY}{_WORDS}", re.DOTALL)
_SEARCHED = re.compile(rf"{_QUERY}{_WORDS}\Z", re.DOTALL)
_LAST = re.compile(rf"{_PLAIN}{END_THOUGHT}\s*{BEGIN_ANSWER}{_WORDS}{END_ANSWER}\s*", re.DOTALL)
_OPENED = re.compile(r"<(?=\||/?(?:think|answer)>)")
_OPENING = re.compile(rf"\s*{BEGIN_THOUGHT}")


def without_documents(text: str) -> str:
    """The text without everything between marks of documents, whoever wrote them; an unfinished part ends the text."""
    return _SHOWN.sub("\n", text)


def last_query(text: str) -> str | None:
    """The query at whose end the last turn of a response ended; "" where it has no beginning, None without an end."""
    turn = text.rpartition(END_DOCUMENTS)[2]
    before, end, _ = turn.rpartition(END_QUERY)
    if not end:
        return None
    _, begin, query = before.rpartition(BEGIN_QUERY)
    return query.strip() if begin else ""


def searches(text: str) -> int:
    """How many queries with words a response has had answered."""
    *turns, _ = _ANSWERED.split(text)
    return sum(_SEARCHED.search(turn) is not None for turn in turns)


def well_formed(text: str) -> bool:
    """Whether a response has the form above: all its queries answered, all documents a search engine's.

    The thought may have been begun by the prompt. Nothing stands behind the answer.
    """
    *turns, last = _ANSWERED.split(_OPENING.sub("", text, count=1) if _OPENING.match(text) else text)
    return all(map(_TURN.fullmatch, turns)) and _LAST.fullmatch(last) is not None


def harmless(text: str) -> str:
    """A text on one line that holds no mark of a search and no token of the form <|...|>."""
    return " ".join(_OPENED.sub("< ", text).replace("|>", "| >").split())
