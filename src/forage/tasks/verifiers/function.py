"""A verifier of the user's own: a function in a module that can be imported."""

from dataclasses import dataclass
from typing import ClassVar

from forage.core.records import Problem, Score
from forage.tasks.own_function import check_name, load_function
from forage.tasks.source_code import module_digest
from forage.tasks.verifiers.base import Verifier
from forage.tasks.verifiers.extraction import final_answer


@dataclass(frozen=True, kw_only=True)
class Python(Verifier):
    """Calls `function` (`module:function`) with the problem and the response's text, in a verifier process.

    It returns a bool, a number (the value; correct means 1 or more), a `forage.core.records.Score` whose parts hold
    `correct`, or None where it could not judge. A function attribute `answer`, where there is one, is called in the
    same way and gives the canonical answer. The module is looked for where Python looks and in the working directory.
    """

    name: ClassVar[str] = "python"
    hangs: ClassVar[bool] = True
    free_text: ClassVar[str] = "function"

    function: str = ""

    def __post_init__(self) -> None:
        check_name(self.function)  # loading it is for the process that judges: reading a recipe must run nothing

    def prepare(self) -> None:
        load_function(self.function)

    def versions(self) -> dict[str, str]:
        return {self.function: module_digest(check_name(self.function)[0])}

    def judge(self, problem: Problem, text: str) -> Score:
        result = load_function(self.function)(problem, text)
        if isinstance(result, Score):
            return result
        if result is None:
            return Score(float("nan"))
        return Score(float(result), {"correct": float(result >= 1)})

    def answer(self, problem: Problem, text: str) -> str | None:
        own = getattr(load_function(self.function), "answer", None)
        return final_answer(text) if own is None else own(problem, text)

    def marks_answer(self, problem: Problem, text: str) -> bool:
        own = getattr(load_function(self.function), "answer", None)
        return super().marks_answer(problem, text) if own is None else own(problem, text) is not None
