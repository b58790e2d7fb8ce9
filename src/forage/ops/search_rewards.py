"""What a response with searches is worth: for searching, for its form, and for the words of its answer."""

import math
from collections import Counter
from collections.abc import Sequence

from forage.core.errors import ForageError


def word_f1(answer: Sequence[str], wanted: Sequence[str]) -> float:
    """How far two answers have the same words: the harmonic mean of precision and recall (SQuAD, arXiv 1606.05250).

        F1 = 2 |answer and wanted| / (|answer| + |wanted|)        as bags: a word counts as often as both have it

    Args:
        answer: the words of one answer, in any order.
        wanted: those of the other.

    Returns:
        A float in [0, 1]; 1 for equal bags, two empty ones included.

    Raises:
        Nothing.

    Example:
        >>> word_f1(["the", "red", "house"], ["red", "house"]), word_f1(["red", "red"], ["red"]), word_f1([], ["red"])
        (0.8, 0.6666666666666666, 0.0)
    """
    if not answer and not wanted:
        return 1.0
    common = (Counter(answer) & Counter(wanted)).total()
    return 2 * common / (len(answer) + len(wanted))


def search_call_reward(searches: int, formed: bool, *, retrieval: float = 0.5, form: float = 0.5) -> float:
    """The reward of R1-Searcher's first stage: for searching at all, and for the form (arXiv 2503.05592).

        retrieval [searches >= 1] + form [well formed]

    Args:
        searches: queries of the response that were answered.
        formed: whether the response has the form that is asked for.
        retrieval: what searching is worth, 0 or more.
        form: what the form is worth, 0 or more.

    Returns:
        A float in [0, retrieval + form], in the place of the verdict.

    Raises:
        ForageError: a weight below 0, or both 0.

    Example:
        >>> [search_call_reward(searches, formed) for searches, formed in ((0, False), (0, True), (3, True))]
        [0.0, 0.5, 1.0]
    """
    check_search_call(retrieval, form)
    return retrieval * (searches >= 1) + form * formed


def search_answer_reward(worth: float, formed: bool, *, penalty: float = 2.0) -> float:
    """The reward of R1-Searcher's second stage: what the answer was worth, less a price for a wrong form (2503.05592).

        worth - penalty [not well formed]

    Args:
        worth: of the answer, `word_f1` in the paper.
        formed: whether the response has the form that is asked for.
        penalty: the price, 0 or more; 2 in the paper, 1 in a released script.

    Returns:
        A float, `worth` where the form is right.

    Raises:
        ForageError: a penalty below 0.

    Example:
        >>> search_answer_reward(0.8, True), search_answer_reward(1.0, False)
        (0.8, -1.0)
    """
    check_search_answer(penalty)
    return worth - penalty * (not formed)


def retrieval_reward(consistent: bool, support: int) -> int:
    """What a sub-question and its answer are worth by the documents that were found (RAG-Star, arXiv 2412.12881).

        r = r_q r_a        r_q in {0, 1}, r_a in {1, 2, 3}

    Args:
        consistent: r_q, whether the sub-question fits what was asked and answered before it.
        support: r_a: 1 the documents contradict the answer, 2 they say nothing of it, 3 they support it.

    Returns:
        A whole number from 0 to 3.

    Raises:
        ForageError: a support other than 1, 2 and 3.

    Example:
        >>> [retrieval_reward(True, support) for support in (1, 2, 3)], retrieval_reward(False, 3)
        ([1, 2, 3], 0)
    """
    if support not in (1, 2, 3):
        raise ForageError(f"Documents contradict (1), say nothing (2) or support (3), not {support!r}.")
    return int(consistent) * support


def check_search_call(retrieval: float, form: float) -> None:
    """Raises ForageError unless both weights are 0 or more, and one of them above."""
    if not (min(retrieval, form) >= 0 and 0 < retrieval + form < math.inf):
        raise ForageError(f"Searching and form are worth 0 or more and not both 0, not {retrieval} and {form}.")


def check_search_answer(penalty: float) -> None:
    """Raises ForageError unless the price of a wrong form is a number of 0 or more."""
    if not 0 <= penalty < math.inf:
        raise ForageError(f"The penalty for a wrong form is 0 or more, not {penalty}.")
