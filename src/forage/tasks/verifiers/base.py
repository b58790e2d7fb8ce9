"""What checks an answer. A verifier is a frozen dataclass: its fields are its settings, and it is written down with a
recipe and sent to verifier processes like every other part.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.tasks.verifiers.extraction import marks_answer


class Verifier(ABC):
    """Judges a response to a problem by `problem.answer`.

    `hangs` says that judging may take for ever, or more memory than there is, on text that nobody has read before: such
    a verifier only ever runs in processes that can be killed. `free_text`, where a verifier has one, names the setting
    that may be typed without its name and may hold anything, commas too; see `parse_verifier`.
    """

    name: ClassVar[str]
    hangs: ClassVar[bool]
    free_text: ClassVar[str] = ""

    def __call__(self, problem: Problem, text: str) -> Score:
        """The verdict; `parts` holds at least `correct`. Raises whatever it likes: the answer is then unjudged."""
        known = self.quick(problem, text)
        return self.judge(problem, text) if known is None else known

    def prepare(self) -> None:  # noqa: B027  (most have nothing to load)
        """Loads what judging needs, once, in the process that judges. Raises ForageError where it is not there."""

    def quick(self, problem: Problem, text: str) -> Score | None:
        """The verdict, where it can be had at once and in safety; otherwise None, and `judge` is asked.

        Also asked in the training process, before a worker is: it must take linear time, cannot hang and never raises.
        """
        return None

    def check(self, answer: str) -> None:  # noqa: B027  (most can compare with anything)
        """Raises ForageError, saying why, where `answer` cannot be the right answer of any problem. Cheap and safe."""

    @abstractmethod
    def judge(self, problem: Problem, text: str) -> Score:
        """The verdict on what `quick` left open."""

    def answer(self, problem: Problem, text: str) -> str | None:
        """The final answer of a judged response in a canonical form, for majority votes; None where it gives none."""
        return None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        """Whether the text marks a final answer. `answer` may read one out of any text; this asks for a sign of it."""
        return marks_answer(text)

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str] | None:
        """The mark with which a response may state the right answer, or another one; None where no words could."""
        stated = problem.answer if answer is None else answer
        return ("\nThe answer is", f" {stated}") if stated else None

    @property
    def has_modes(self) -> bool:
        """Whether `mode` names modes."""
        return type(self).mode is not Verifier.mode

    def mode(self, problem: Problem, text: str) -> str | None:
        """Which right answer a correct response gave, or which way to it, where the verifier can tell; else None.

        Asked where `judge` is: in a verifier process, if judging may hang.
        """
        return None

    def versions(self) -> dict[str, str]:
        """Versions of what decides verdicts beside the settings: libraries, a user's source."""
        return {}


def installed(*distributions: str) -> dict[str, str]:
    """The installed versions; "" for what is not there."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in distributions:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return versions


def verdict(correct: bool, **parts: float) -> Score:
    """A score of 1 or 0, with `correct` and whatever else is known."""
    return Score(float(correct), {"correct": float(correct), **parts})


class HasVerifier(Protocol):
    @property
    def verifier(self) -> Verifier: ...


class Verified(Task):
    """A task whose answers a verifier checks. A subclass is a frozen dataclass that has or computes `verifier`."""

    @property
    def hangs(self: HasVerifier) -> bool:
        return self.verifier.hangs

    def prepare(self: HasVerifier) -> None:
        self.verifier.prepare()

    def verify(self: HasVerifier, problem: Problem, text: str) -> Score:
        return self.verifier(problem, text)

    def quick(self: HasVerifier, problem: Problem, text: str) -> Score | None:
        return self.verifier.quick(problem, text)

    def answer(self: HasVerifier, problem: Problem, text: str) -> str | None:
        return self.verifier.answer(problem, text)

    def marks_answer(self: HasVerifier, problem: Problem, text: str) -> bool:
        return self.verifier.marks_answer(problem, text)

    def stated_answer(self: HasVerifier, problem: Problem, answer: str | None = None) -> tuple[str, str] | None:
        return self.verifier.stated_answer(problem, answer)

    @property
    def has_modes(self: HasVerifier) -> bool:
        return self.verifier.has_modes

    def mode(self: HasVerifier, problem: Problem, text: str) -> str | None:
        return self.verifier.mode(problem, text)
