"""Modes that a person chooses for problems of their own: canonical answers, or what a function of theirs says."""

from typing import TYPE_CHECKING

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.own_function import check_name, load_function
from forage.tasks.source_code import module_digest
from forage.tasks.verifiers.base import Verified, Verifier

ANSWER, FUNCTION = "answer", "python:"


class OwnModes(Verified):
    """A verified task whose modes the field `modes` names. A subclass is a frozen dataclass that has the field.

    "": those of the verifier, if it has any. "answer": the canonical answer, for problems with several right ones.
    "python:MODULE:FUNCTION": a function of the problem and the text that returns a name, or None where there is none.
    It only ever runs in processes that can be killed.
    """

    modes: str

    if TYPE_CHECKING:  # a field of some, computed by others

        @property
        def verifier(self) -> Verifier: ...

    def check_modes(self) -> None:
        """Raises ForageError for a text that names no modes. Imports nothing."""
        if self.modes not in ("", ANSWER) and not self.modes.startswith(FUNCTION):
            raise ForageError(f"modes is empty, {ANSWER}, or {FUNCTION}MODULE:FUNCTION, not {self.modes!r}.")
        if self.modes.startswith(FUNCTION):
            check_name(self.modes.removeprefix(FUNCTION))

    @property
    def hangs(self) -> bool:
        return self.modes.startswith(FUNCTION) or super().hangs

    def prepare(self) -> None:
        super().prepare()
        if self.modes.startswith(FUNCTION):
            load_function(self.modes.removeprefix(FUNCTION))

    def quick(self, problem: Problem, text: str) -> Score | None:
        score = super().quick(problem, text)
        asked = self.modes.startswith(FUNCTION) and score is not None and score.correct
        return None if asked else score

    @property
    def has_modes(self) -> bool:
        return bool(self.modes) or super().has_modes

    def mode(self, problem: Problem, text: str) -> str | None:
        if self.modes == ANSWER:
            answer = self.answer(problem, text)
            return None if answer is None else " ".join(answer.split())
        if not self.modes:
            return super().mode(problem, text)
        function = self.modes.removeprefix(FUNCTION)
        mode: object = load_function(function)(problem, text)
        if mode is None or isinstance(mode, str):
            return mode
        raise ForageError(f"{function} must return the name of a mode as text, or None; it returned {mode!r}.")

    def mode_versions(self) -> dict[str, str]:
        """What decides modes beside the settings: the user's source."""
        function = self.modes.removeprefix(FUNCTION)
        return {function: module_digest(check_name(function)[0])} if self.modes.startswith(FUNCTION) else {}
