"""Answers in words, compared as bags of words after the normalization of SQuAD (arXiv 1606.05250)."""

import json
import re
import string
from dataclasses import dataclass
from typing import ClassVar

from forage.core.records import Problem, Score
from forage.ops.search_rewards import word_f1
from forage.tasks.verifiers.base import Verifier, verdict
from forage.tasks.verifiers.extraction import final_answer, marked_or_whole

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized_words(text: str) -> tuple[str, ...]:
    """The words of an answer: in lower case, without ASCII punctuation, without a, an and the."""
    return tuple(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


@dataclass(frozen=True, kw_only=True)
class WordF1(Verifier):
    """Worth the F1 of the answer's words against the right one; correct where they are the same words in order.

    The answer is what the response marks as such, or all of it. A right answer that is a JSON list of texts holds forms
    of it, of which the best counts.
    """

    name: ClassVar[str] = "f1"
    hangs: ClassVar[bool] = False

    def quick(self, problem: Problem, text: str) -> Score:
        answer = marked_or_whole(text)
        if answer is None:
            return verdict(False, answered=0.0)
        words, forms = normalized_words(answer), [normalized_words(form) for form in right_forms(problem.answer)]
        parts = {"correct": float(words in forms), "answered": 1.0}
        return Score(max(word_f1(words, form) for form in forms), parts)

    def judge(self, problem: Problem, text: str) -> Score:
        return self.quick(problem, text)

    def answer(self, problem: Problem, text: str) -> str | None:
        answer = marked_or_whole(text)
        return None if answer is None else " ".join(normalized_words(answer))

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str] | None:
        if answer is None and problem.answer:
            answer = right_forms(problem.answer)[0]
        return ("\nThe answer is", f" {answer}") if answer else None


def right_forms(answer: str) -> tuple[str, ...]:
    """The forms of a right answer: those of a JSON list of texts, else the text itself."""
    try:
        forms = json.loads(answer) if answer.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        forms = None
    known = isinstance(forms, list) and forms and all(isinstance(form, str) for form in forms)
    return tuple(forms) if known and forms else (final_answer(answer) or answer,)
