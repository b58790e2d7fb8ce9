"""Why answers could not be judged."""

import logging
import threading
from collections import Counter
from collections.abc import Mapping

from forage.core.records import Problem

_log = logging.getLogger(__name__)


class FailureLog:
    """Why answers could not be judged: how many of each kind, and the first message. The first of a kind is logged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._first: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """By kind: "exception", "deadline", "died", "garbage"."""
        with self._lock:
            return dict(self._counts)

    @property
    def first(self) -> str | None:
        with self._lock:
            return self._first

    def note(self, kind: str, problem: Problem, message: str) -> None:
        text = f"An answer to problem {problem.id} could not be judged: {message}."
        text = text.encode("utf-8", "backslashreplace").decode()  # what a model wrote may be in it
        with self._lock:
            self._counts[kind] += 1
            self._first = self._first or text
            new = self._counts[kind] == 1
        if new:
            _log.warning("%s Such answers are counted as unjudged; more of this kind are not shown.", text)
