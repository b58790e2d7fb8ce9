"""Why answers could not be judged, whose doing that was, and how many may be."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping

from forage.core.errors import ForageError
from forage.core.records import Problem, Score

_log = logging.getLogger(__name__)

OWN_DOING = ("deadline", "memory", "written")
"""Kinds of failure that an answer brings about itself: it took more time, memory or disk space than answers have."""

OVERRUN = Score(0.0, {"correct": 0.0, "overrun": 1.0})
"""The score of an answer that did: wrong, or it would pay to write one that cannot be judged."""

WINDOW = 256
"""Answers over which the share of unjudged ones is taken."""

WINDOWS_TO_STOP = 3

FEWEST = 16
"""Answers of which a share is worth a word when a judge is closed."""


class FailureLog:
    """Why answers had no verdict: how many of each kind, and the first message. The first of a kind is logged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._first: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """By kind: "exception", "deadline", "memory", "written", "died", "garbage"."""
        with self._lock:
            return dict(self._counts)

    @property
    def first(self) -> str | None:
        with self._lock:
            return self._first

    def note(self, kind: str, problem: Problem, message: str, *, wrong: bool = False) -> None:
        """`wrong`: the answer counts as a wrong one; otherwise it is unjudged."""
        outcome = "counts as wrong" if wrong else "could not be judged"
        text = f"An answer to problem {problem.id} {outcome}: {message.rstrip('.')}."
        text = text.encode("utf-8", "backslashreplace").decode()  # what a model wrote may be in it
        with self._lock:
            self._counts[kind] += 1
            self._first = self._first or text
            new = self._counts[kind] == 1
        if new:
            rest = "Such answers are wrong" if wrong else "Such answers are counted as unjudged"
            _log.warning("%s %s; more of this kind are not shown.", text, rest)


class UnjudgedShare:
    """Watches how many answers stay without a verdict, whatever the cause.

    A share above `limit` among `WINDOW` answers is said loudly; in `WINDOWS_TO_STOP` windows one after the other it
    ends the work, because what is learned or measured from the rest says little. A limit of 1 switches this off.
    """

    def __init__(self, limit: float, failures: FailureLog) -> None:
        if not 0 < limit <= 1:
            raise ForageError(f"The limit of unjudged answers is a share in (0, 1], not {limit}.")
        self._limit = limit
        self._failures = failures
        self._lock = threading.Lock()
        self._window = self._unjudged = 0
        self._answers = self._all_unjudged = 0
        self._bad = 0

    def count(self, score: Score) -> None:
        with self._lock:
            self._window += 1
            self._answers += 1
            self._unjudged += not score.judged
            self._all_unjudged += not score.judged
            if self._window < WINDOW:
                return
            unjudged, self._window, self._unjudged = self._unjudged, 0, 0
            self._bad = self._bad + 1 if unjudged > self._limit * WINDOW else 0
            warn = self._bad == 1
        if warn:
            _log.warning("%s %s", self._words(unjudged, WINDOW), "Nothing is learned from them.")

    def check(self) -> None:
        """Raises ForageError where the share has been too high for too long."""
        if self._bad >= WINDOWS_TO_STOP:
            raise ForageError(
                f"More than {self._limit:.0%} of the answers could not be judged in {self._bad} windows of {WINDOW}, "
                f"one after the other ({self._causes()}). Correct the verifier or the problems, give answers more "
                "time, or raise the limit (unjudged_limit)."
            )

    def close(self) -> None:
        """Says what too few answers for a window came to."""
        if FEWEST <= self._answers < WINDOW and self._all_unjudged > self._limit * self._answers:
            _log.warning("%s", self._words(self._all_unjudged, self._answers))

    def _words(self, unjudged: int, answers: int) -> str:
        return f"{unjudged} of {answers} answers could not be judged, above {self._limit:.0%}: {self._causes()}."

    def _causes(self) -> str:
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self._failures.counts.items()))
        first = (self._failures.first or "the verifier gave no verdict").rstrip(".")
        return f"{counts}; the first: {first}" if counts else first
