"""Where a response says its final answer. Linear in the length of the text: these run in the training process."""

import re
from collections import deque
from typing import Literal

TAIL = 20_000
"""Characters at the end of a response in which its answer is looked for."""

LONGEST = 2_000
"""Characters that an answer may have; a longer one is no answer."""

_PHRASE = re.compile(r"\b(?:final answer|answer|result)\b(?:\s+is)?[ \t]*[:=]?[ \t]*", re.IGNORECASE)
_ANNOUNCED = re.compile(r"\b(?:answer|result)\b(?:\s+is\b[ \t]*[:=]?|[ \t*_]*[:=])[ \t*_]*[^\s*_]", re.IGNORECASE)
_HASHED_LAST = re.compile(r"^[ \t]*####[ \t]*\S+[ \t]*\s*\Z", re.MULTILINE)
_MARKUP = " \t\r\n*_`\"'"


def final_answer(text: str) -> str | None:
    r"""What the response marks as its answer, or None where it marks nothing.

    Looked for in this order, the last of a kind first: `\boxed{...}`; `<answer>...</answer>`; a line `#### ...`; what
    follows `answer is` or `answer:` on its line.
    """
    tail = text[-TAIL:]
    for find in (_boxed, _tagged, _hashed, _phrased):
        answer = find(tail)
        if answer is not None:
            return answer if len(answer) <= LONGEST else None
    return None


def marked_answer(text: str, how: Literal["boxed", "tags"]) -> str | None:
    """The last answer that is marked in this one way, or None."""
    answer = (_boxed if how == "boxed" else _tagged)(text[-TAIL:])
    return answer if answer and len(answer) <= LONGEST else None


def marked_or_whole(text: str) -> str | None:
    """The marked answer, or else the whole response where it is short enough to be one."""
    answer = final_answer(text)
    if answer is not None:
        return answer
    whole = text.strip() if len(text) <= LONGEST else ""
    return whole or None


def marks_answer(text: str) -> bool:
    r"""Whether the text marks an answer beyond doubt, where `final_answer` takes what it can get.

    `\boxed{...}` and `<answer>...</answer>`, both closed; a last line `#### ...` of one word (others are headings); or
    `answer is ...`, `answer: ...`, which "to find the answer we add" is not.
    """
    tail = text[-TAIL:]
    if _boxed(tail) is not None or _tagged(tail) is not None:
        return True
    return _HASHED_LAST.search(tail) is not None or _ANNOUNCED.search(tail) is not None


def _boxed(text: str) -> str | None:
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    first = text.index("{", start) + 1
    depth = 1
    for position in range(first, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[first:position].strip()
    return None


def _tagged(text: str) -> str | None:
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    return text[start + len("<answer>") : end].strip() if start >= 0 else None


def _hashed(text: str) -> str | None:
    start = text.rfind("####")
    return _rest_of_line(text, start + 4) if start >= 0 else None


def _phrased(text: str) -> str | None:
    phrases = deque(_PHRASE.finditer(text), maxlen=1)
    return _rest_of_line(text, phrases[0].end()) if phrases else None


def _rest_of_line(text: str, start: int) -> str | None:
    line = text[start:].split("\n", 1)[0].strip(_MARKUP)
    line = line.removesuffix(".").rstrip(_MARKUP)
    return line or None
